-- Moves of emails to other lanes.

-- The column of a header that has the lane.
local function lane_column(lane) return string.format('%-6s', lane) end

-- Gives an email, by its header, another lane: queued, then behind all others there | scheduled | delayed. Its entry on the list of the
-- lane before stays, and a claim drops it. Returns the reply {1}.
local function change_lane(id, header, lane)
  local state, when, before = state_of(header), when_of(header), lane_of(header)
  if lane == before then return {1} end
  if state ~= QUEUED then
    redis.call('SETRANGE', record_of(id), '38', lane_column(lane))
    continue_timeline(id, 'moved', {answer = lane})
    return {1}
  end
  local last = lane .. ':last'
  local sequence = text_of(ORIGIN + (redis.call('HGET', WAITING, last) or 0) + 1)
  local chunk, chunk_before = chunk_of(sequence), chunk_of(when)
  local its_entry = to_restore(chunk_key(before, chunk_before), field_of(when))
  local undo = {
    {'SETRANGE', record_of(id), '0', string.sub(header, 1, 44)},
    to_restore(WAITING, before),
    to_restore(WAITING, lane),
    to_restore(WAITING, last),
    its_entry,
    {'HDEL', chunk_key(lane, chunk), field_of(sequence)},
  }
  local is_there = its_entry[1] == 'HSET'
  if is_there then undo[#undo + 1] = {'ZADD', chunks_of(before), chunk_before, chunk_before} end
  if redis.call('EXISTS', chunk_key(lane, chunk)) == 0 then undo[#undo + 1] = {'ZREM', chunks_of(lane), chunk} end
  return all_or_nothing(undo, function()
    -- A command by which something is undone is called before that is done. The first ones change nothing.
    redis.call('HDEL', chunk_key(lane, chunk), field_of(sequence))
    redis.call('ZREM', chunks_of(lane), '')
    if is_there then redis.call('ZADD', chunks_of(before), chunk_before, chunk_before) end
    enter_one(lane, id, sequence)
    redis.call('HINCRBY', WAITING, last, 1)
    redis.call('HINCRBY', WAITING, lane, 1)
    move(id, QUEUED .. sequence .. counters_of(header) .. ' ' .. lane_column(lane))
    leave_one(before, when)
    redis.pcall('LPUSH', list_of(lane), id)
    continue_timeline(id, 'moved', {answer = lane})
    return {1}
  end)
end
