-- Takes back an email that no worker has claimed. queued | scheduled | delayed -> canceled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  retention in ms: how long the canceled email is kept, where it does not say itself
-- ARGV[3]  'again' when the answer to the same call was lost: an email canceled just now was canceled by that
-- Reply    {1} canceled; {0} there is no such email; {2, state} it is too late: nothing was changed
-- Its entry may stay on the list: a claim drops it.

local JUST_NOW_MS = 10000

local id = ARGV[1]
local header = header_of(id)
if not header then return {0} end
local state = state_of(header)
if state == QUEUED then
  leave({[lane_of(header)] = {when_of(header)}})
elseif state == SCHEDULED_STATE or state == DELAYED then
  redis.call('ZREM', SCHEDULED, id)
elseif ARGV[3] and state == CANCELED and now - tonumber(when_of(header)) < JUST_NOW_MS then
  return {1}
else
  return {2, string.match(state, '%a+')}
end
move(id, CANCELED .. NOW)
local retention = retention_of(header) or tonumber(ARGV[2])
forget_in(retention, {id})
sweep_within(retention)
count('canceled', 1)
return {1}
