-- Cancels an email that no worker has claimed. queued | scheduled | delayed -> canceled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  retention in ms: how long the canceled email is kept, unless it has its own
-- ARGV[3]  'again' on a retry: an email canceled in the last 10 s counts as canceled by this call
-- Reply    {1} canceled; {0} there is no such email; {2, state} it is too late: nothing was changed
-- Its entry may stay on the list: a claim drops it.

local other = other_version()
if other then return other end
local id, retention, again = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local header = header_of(id)
if not header then return {0} end
local state = state_of(header)
if state == QUEUED or state == SCHEDULED_STATE or state == DELAYED then
  return end_as_canceled(id, header, retention_of(header) or retention, 'canceled')
end
if again and was_just_canceled(header) then return {1} end
return {2, string.match(state, '%a+')}
