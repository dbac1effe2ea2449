-- Discards an email that has failed, or that no worker has claimed. queued | scheduled | delayed | failed -> canceled, and deleted
-- by the next maintenance, whatever its retention. Not at once: its id may still be on a list.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  'again' on a retry: an email that is gone, or was canceled in the last 10 s, counts as discarded by this call
-- Reply    {1} discarded, by this call or by an earlier one; {0} there is no such email; {2, state} it is too late: nothing was changed

local other = other_version()
if other then return other end
local id, again = ARGV[1], ARGV[2]
local header = header_of(id)
if not header then return {again and 1 or 0} end
local state = state_of(header)
if state == QUEUED or state == SCHEDULED_STATE or state == DELAYED or state == FAILED_STATE then
  return end_as_canceled(id, header, 0, 'discarded')
end
if state == CANCELED and was_discarded(id) or again and was_just_canceled(header) then return {1} end
return {2, string.match(state, '%a+')}
