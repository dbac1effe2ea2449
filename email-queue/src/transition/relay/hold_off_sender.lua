-- Holds off one sender's emails, which the relay refuses, for good or for now.
--
-- KEYS[1]  the queue
-- ARGV[1]  the relay
-- ARGV[2]  the sender there
-- ARGV[3]  class and
-- ARGV[4]  text of the failure
-- ARGV[5]  the first and
-- ARGV[6]  the longest back-off in ms
-- Reply    {1 this failure is why they are held off now, 0 it was known already; ms until they may be tried again}

-- In the order in which sender.rs writes them.
local relay, sender, class, why, base, longest = unpack(ARGV)
base, longest = tonumber(base), tonumber(longest)
local known = redis.call('HMGET', sender_of(sender), 'until', 'failures')
if tonumber(known[1] or 0) > now then return {0, tonumber(known[1]) - now} end
allow_write_when_full()
local failures = tonumber(known[2] or 0) + 1
local wait = back_off(failures, base, longest)
-- Longer than the back-off, so that a failure that follows is known to be the next one.
local kept = wait + longest
redis.call('HSET', sender_of(sender), 'until', text_of(now + wait), 'failures', failures, 'class', class, 'error', why)
redis.call('PEXPIRE', sender_of(sender), string.format('%.0f', kept))
local last = math.max(now + kept, tonumber(redis.call('HGET', relay_of(relay), 'senders') or 0))
redis.call('HSET', relay_of(relay), 'senders', text_of(last))
redis.call('PEXPIRE', relay_of(relay), RELAY_REMEMBERED_MS)
notify_workers(relay, kept)
return {1, wait}
