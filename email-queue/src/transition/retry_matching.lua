-- Retries some of the emails in a state, as `retry` does.
--
-- KEYS[1]  the queue
-- ARGV[1]  their state: failed | delayed
-- ARGV[2]  the class of their last failure; '' for any
-- ARGV[3]  the cursor of the last reply; '0' to begin
-- ARGV[4]  about how many to look at
-- ARGV[5]  1 to count those that would be retried, and change nothing; else 0
-- Reply    {the next cursor, '0' at the end; how many were looked at; how many were retried}
-- After a lost reply the same call may be repeated.

local other = other_version()
if other then return other end
local state, class, cursor, max, is_dry = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5] == '1'
return step(state, class, cursor, max, is_dry, nil, queue_again)
