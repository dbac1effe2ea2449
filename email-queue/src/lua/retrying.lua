-- Retries by hand.

-- The fields of an email's failures that belong to its attempts so far. `accepted` stays.
local ATTEMPTED = {'since', 'refused', 'timeouts', 'faults', 'met', 'slow'}

-- Queues an email again, given by its header: failed | delayed -> queued, behind all others of its lane. Returns the reply {1}.
local function queue_again(id, header)
  local state, when, lane = state_of(header), when_of(header), lane_of(header)
  local from = state == FAILED_STATE and FAILED or SCHEDULED
  local last = lane .. ':last'
  local sequence = text_of(ORIGIN + (redis.call('HGET', WAITING, last) or 0) + 1)
  local chunk = chunk_of(sequence)
  local undo = {
    {'SETRANGE', record_of(id), '0', string.sub(header, 1, 37)},
    {'ZADD', from, when, id},
    to_restore(WAITING, lane),
    to_restore(WAITING, last),
    {'HDEL', chunk_key(lane, chunk), field_of(sequence)},
    to_restore(TOTALS, 'retried'),
    to_restore(TOTALS, 'retried_by_hand'),
  }
  if state == DELAYED then undo[#undo + 1] = to_restore(WAITING, 'delayed') end
  if redis.call('EXISTS', chunk_key(lane, chunk)) == 0 then undo[#undo + 1] = {'ZREM', chunks_of(lane), chunk} end
  for _, field in ipairs(ATTEMPTED) do
    local restore = to_restore(failure_of(id), field)
    if restore[1] == 'HSET' then undo[#undo + 1] = restore end
  end
  return all_or_nothing(undo, function()
    -- As push_back does it, in another order: a command by which something is undone is called before that is done. The first
    -- three change nothing.
    redis.call('HDEL', chunk_key(lane, chunk), field_of(sequence))
    redis.call('ZADD', from, when, id)
    redis.call('ZREM', from, '')
    enter_one(lane, id, sequence)
    redis.call('HINCRBY', WAITING, last, 1)
    redis.call('HINCRBY', WAITING, lane, 1)
    if state == DELAYED then count_delayed(-1) end
    redis.call('HDEL', failure_of(id), unpack(ATTEMPTED))
    move(id, QUEUED .. sequence .. counters(claims_of(header), 0, 0))
    redis.call('ZREM', from, id)
    count('retried', 1)
    count('retried_by_hand', 1)
    redis.pcall('LPUSH', list_of(lane), id)
    add_to_timeline(id, 'retried')
    return {1}
  end)
end
