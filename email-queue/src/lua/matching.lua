-- Bulk actions of operators: step by step through the emails of a state.

-- Calls `change` with id and header of some of the emails in a state, and with a class of their last failure if that is not ''. `cursor` is
-- that of the last reply, '0' to begin. Emails of the lane `except` are left out. With `is_dry` they are counted, and `change` is not called.
-- Returns the reply {next cursor, '0' at the end; how many were looked at; how many were changed}.
--
-- Failed, delayed and scheduled emails are scanned (https://redis.io/docs/latest/commands/scan/): an email that has been in the state all
-- along is looked at, and may be so twice. Queued ones are taken from the front of their lanes, because `change` removes them.
local function step(state, class, cursor, max, is_dry, except, change)
  local ids, next_cursor = {}, '0'
  if state == 'queued' and is_dry then
    local _, waits = waiting()
    local count = 0
    for n, lane in ipairs(LANES) do
      if lane ~= except then count = count + waits[n] end
    end
    return {'0', count, count}
  elseif state == 'queued' then
    for _, lane in ipairs(LANES) do
      for _, waiting in ipairs(lane ~= except and sequences_below(lane, 10 * ORIGIN, max - #ids) or {}) do
        if #ids < max then ids[#ids + 1], next_cursor = waiting.id, '1' end
      end
    end
  else
    local found = redis.call('ZSCAN', state == 'failed' and FAILED or SCHEDULED, cursor, 'COUNT', max)
    next_cursor = found[1]
    for i = 1, #found[2], 2 do ids[#ids + 1] = found[2][i] end
  end
  local changed = 0
  for _, id in ipairs(ids) do
    local header = header_of(id)
    local is_it = header and string.match(header, '%a+') == state and lane_of(header) ~= except
    if is_it and (class == '' or redis.pcall('HGET', failure_of(id), 'class') == class) then
      local reply = is_dry or change(id, header)
      -- Those before it stay changed; a repetition goes on.
      if reply ~= true and reply.err then return reply end
      changed = changed + 1
    end
  end
  -- What is at the front of the lanes and cannot be changed would be found again and again.
  if state == 'queued' and changed == 0 then next_cursor = '0' end
  return {next_cursor, #ids, changed}
end
