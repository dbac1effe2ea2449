-- Moves the time of an email that waits for it. scheduled -> scheduled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  its new time in ms since 1970; one that is over is due at the next sweep
-- Reply    {1} moved; {0} there is no such email; {2, state} it does not wait for its time: nothing was changed

local id, due = ARGV[1], tonumber(ARGV[2])
local header = header_of(id)
if not header then return {0} end
if state_of(header) ~= SCHEDULED_STATE then return {2, string.match(header, '%a+')} end
move(id, SCHEDULED_STATE .. text_of(due))
redis.call('ZADD', SCHEDULED, due, id)
sweep_within(due - now)
return {1}
