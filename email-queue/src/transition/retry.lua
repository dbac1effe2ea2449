-- Retries an email that has failed, or waits for another attempt. failed | delayed -> queued, behind all others of its lane.
--
-- The retry period and the count of attempts begin anew. Recipients that have accepted the email are not asked again; those that
-- have refused it are.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  'again' on a retry of this call: an email that is queued, in flight or sent counts as retried by it
-- Reply    {1} queued; {0} there is no such email; {2, state} it waits for nobody, or is on its way: nothing was changed

local other = other_version()
if other then return other end
local id, again = ARGV[1], ARGV[2]
local header = header_of(id)
if not header then return {0} end
local state = state_of(header)
if state == FAILED_STATE or state == DELAYED then return queue_again(id, header) end
if again and (state == QUEUED or state == SENDING_STATE or state == SENT) then return {1} end
return {2, string.match(state, '%a+')}
