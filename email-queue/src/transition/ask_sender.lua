-- Asks whether one sender's emails may be sent to a relay. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  the sender there
-- Reply    {ms until they may, class, text}; {0, '', ''} when nothing is known against it

local known = redis.call('HMGET', sender_of(ARGV[1]), 'until', 'class', 'error')
if not known[1] then return {0, '', ''} end
return {math.max(0, tonumber(known[1]) - now), known[2], known[3]}
