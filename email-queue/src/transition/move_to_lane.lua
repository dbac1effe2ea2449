-- Moves an email that waits to another lane: queued | scheduled | delayed -> the same. A queued one then is behind all others there.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  the lane
-- ARGV[3]  'again' on a retry of this call: an email of that lane that is in flight or sent counts as moved by it
-- Reply    {1} it has that lane; {0} there is no such email; {2, state} it does not wait: nothing was changed

local other = other_version()
if other then return other end
local id, lane, again = ARGV[1], ARGV[2], ARGV[3]
local header = header_of(id)
if not header then return {0} end
local state = state_of(header)
if state == QUEUED or state == SCHEDULED_STATE or state == DELAYED then return change_lane(id, header, lane) end
if again and lane_of(header) == lane and (state == SENDING_STATE or state == SENT) then return {1} end
return {2, string.match(state, '%a+')}
