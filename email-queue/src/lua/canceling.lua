-- Ending emails that no worker has in flight, and that will not be sent.

-- Cancels an email, given by its header: queued | scheduled | delayed | failed -> canceled. It is kept for so many ms, and counted
-- under `total`. Returns the reply {1}.
local function end_as_canceled(id, header, kept, total)
  local state, when, lane = state_of(header), when_of(header), lane_of(header)
  local undo = {
    {'SETRANGE', record_of(id), '0', string.sub(header, 1, 37)},
    {'ZREM', FINISHED, id},
    to_restore(TOTALS, total),
  }
  if state == QUEUED then
    local chunk = chunk_of(when)
    local its_entry = to_restore(chunk_key(lane, chunk), field_of(when))
    undo[4], undo[5] = its_entry, to_restore(WAITING, lane)
    if its_entry[1] == 'HSET' then undo[6] = {'ZADD', chunks_of(lane), chunk, chunk} end
  else
    undo[4] = {'ZADD', state == FAILED_STATE and FAILED or SCHEDULED, when, id}
    if state == DELAYED then undo[5] = to_restore(WAITING, 'delayed') end
  end
  return all_or_nothing(undo, function()
    -- Removes nothing. Fails if the scheduled deletion could not be undone.
    redis.call('ZREM', FINISHED, id)
    expire_in(kept, {id})
    move(id, CANCELED .. NOW)
    if state == QUEUED then
      leave_one(lane, when)
    else
      redis.call('ZREM', state == FAILED_STATE and FAILED or SCHEDULED, id)
      if state == DELAYED then count_delayed(-1) end
    end
    maintain_within(kept)
    count(total, 1)
    -- The record cannot tell that it was discarded.
    end_timeline(total == 'discarded' and 'RPUSH' or 'RPUSHX', id, total, nil, kept)
    return {1}
  end)
end

local JUST_NOW_MS = 10000

-- Whether a call whose reply was lost may have canceled it.
local function was_just_canceled(header) -- lazy
  return state_of(header) == CANCELED and now - tonumber(when_of(header)) < JUST_NOW_MS
end
