-- Cancels an email that no worker has claimed. queued | scheduled | delayed -> canceled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  retention in ms: how long the canceled email is kept, unless it has its own
-- ARGV[3]  'again' on a retry: an email canceled in the last 10 s counts as canceled by this call
-- Reply    {1} canceled; {0} there is no such email; {2, state} it is too late: nothing was changed
-- Its entry may stay on the list: a claim drops it.

local JUST_NOW_MS = 10000

local other = other_version()
if other then return other end
local id, retention, again = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local header = header_of(id)
if not header then return {0} end
local state, when = state_of(header), when_of(header)
local lane = lane_of(header)
local undo = {
  {'SETRANGE', record_of(id), '0', string.sub(header, 1, 37)},
  {'ZREM', FINISHED, id},
  to_restore(TOTALS, 'canceled'),
}
if state == QUEUED then
  local chunk = chunk_of(when)
  local its_entry = to_restore(chunk_key(lane, chunk), field_of(when))
  undo[4], undo[5] = its_entry, to_restore(WAITING, lane)
  if its_entry[1] == 'HSET' then undo[6] = {'ZADD', chunks_of(lane), chunk, chunk} end
elseif state == SCHEDULED_STATE or state == DELAYED then
  undo[4] = {'ZADD', SCHEDULED, when, id}
elseif again and state == CANCELED and now - tonumber(when) < JUST_NOW_MS then
  return {1}
else
  return {2, string.match(state, '%a+')}
end

return all_or_nothing(undo, function()
  -- Removes nothing. Fails if the scheduled deletion could not be undone.
  redis.call('ZREM', FINISHED, id)
  local kept = retention_of(header) or retention
  expire_in(kept, {id})
  move(id, CANCELED .. NOW)
  if state == QUEUED then leave_one(lane, when) else redis.call('ZREM', SCHEDULED, id) end
  maintain_within(kept)
  count('canceled', 1)
  return {1}
end)
