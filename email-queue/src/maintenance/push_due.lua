-- Pushes emails whose time has come to their lists: scheduled or delayed -> queued.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many at the most
-- Reply    {how many were pushed, 1 when there may be more to do at once, else 0}

allow_write_when_full()
local pushed = 0
local ids, more = due(SCHEDULED, tonumber(ARGV[1]))
-- So that it is known that they were not in their lanes before: workers may just have come back.
if ids[1] then pcall(take_sample, SAMPLES_APART_MS) end
for _, id in ipairs(ids) do
  local header = header_of(id)
  if not header then
    dead_letter_unreadable(id)
  elseif state_of(header) == SCHEDULED_STATE or state_of(header) == DELAYED then
    push_back(id, lane_of(header))
    pushed = pushed + 1
    if state_of(header) == DELAYED then count_delayed(-1) end
  end
  -- Last, so that it is repeated if something above fails.
  redis.call('ZREM', SCHEDULED, id)
end
return {pushed, more}
