-- Returns whether one sender's emails may be sent to a relay. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  the sender there
-- Reply    {ms until they may, class, text}; {0, '', ''} if it is not held off

local sender = ARGV[1]
local known = redis.call('HMGET', sender_of(sender), 'until', 'class', 'error')
if not known[1] then return {0, '', ''} end
return {math.max(0, tonumber(known[1]) - now), known[2], known[3]}
