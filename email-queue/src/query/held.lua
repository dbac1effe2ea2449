-- Returns which relay is held off, for all shards of the queue: this is the first one. Not where other workers hand emails to another
-- relay. Read-only.
--
-- KEYS[1]  the queue
-- Reply    {the relay as in its key; its name, '' when it is not held off; until when, since when; class and text of the failure;
--          until when senders are held off there, or 0}; {} when nothing is held off

local other = other_version()
if other then return other end
local relay, keeps_all = relay_held_off()
if not keeps_all then return {} end
local known = redis.call('HMGET', relay_of(relay), 'name', 'until', 'probe_ends', 'since', 'class', 'error', 'senders')
local ends = held_until(known[2], known[3])
return {
  relay, ends and known[1] or '', ends or 0, tonumber(known[4] or 0), known[5] or '', known[6] or '', tonumber(known[7] or 0),
}
