-- Ends the hold-off after this worker's successful probe. Emails that met the failure are requeued at once: delayed ->
-- queued.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  the relay
-- Reply    {1, ids of emails that are to be requeued in other shards, or ''}; {0} it is not this worker that probes it: nothing
--          was changed

local worker, relay = ARGV[1], ARGV[2]
local key = relay_of(relay)
local known = redis.call('HMGET', key, 'probe', 'senders', 'behind')
if known[1] ~= worker then return {0} end
allow_write_when_full()
redis.call('HDEL', key, 'until', 'failures', 'class', 'error', 'since', 'probe', 'probe_ends', 'behind')
redis.call('HSET', key, 'cleared', NOW)
if redis.call('GET', HELD_OFF) == relay and tonumber(known[2] or 0) <= now then redis.call('DEL', HELD_OFF) end
return {1, requeue_delayed(known[3])}
