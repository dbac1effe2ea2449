-- Moves the time of an email that waits for it. scheduled -> scheduled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  its new time in ms since 1970; one that is over is due at the next sweep
-- Reply    {1} moved; {0} there is no such email; {2, state} it does not wait for its time: nothing was changed

local id, record = ARGV[1], record_of(ARGV[1])
local state = redis.call('HGET', record, 'state')
if not state then return {0} end
if state ~= 'scheduled' then return {2, state} end
redis.call('HSET', record, 'due', ARGV[2])
redis.call('ZADD', SCHEDULED, ARGV[2], id)
return {1}
