-- Taking emails off the lists.

-- No API accepts more; a worker that read it would only risk its memory.
local LARGEST = 40 * 1024 * 1024

local function is_id(entry)
  return #entry == 36 and string.find(entry, '^%x+%-%x+%-%x+%-%x+%-%x+$')
end

-- Gives a record to an entry that some other program has pushed, and returns its id and the record; nil when it is
-- buried at once.
local function adopt(entry, lane)
  -- A UUID v7 (RFC 9562 5.7) with a fraction of the millisecond behind the time, as the API makes them. The rest is a
  -- hash: a script has no source of randomness.
  local nth = redis.call('HINCRBY', TOTALS, 'adopted', 1)
  local hash = redis.sha1hex(time[1] .. ' ' .. time[2] .. ' ' .. nth .. ' ' .. entry)
  local ms, fraction = string.format('%012x', now), string.format('%03x', math.floor(time[2] % 1000 * 4.096))
  local variant = string.format('%x', 8 + tonumber(string.sub(hash, 1, 1), 16) % 4)
  local id = string.sub(ms, 1, 8) .. '-' .. string.sub(ms, 9, 12) .. '-7' .. fraction .. '-'
    .. variant .. string.sub(hash, 2, 4) .. '-' .. string.sub(hash, 5, 16)
  local record = create(id, QUEUED, text_of(0), lane, '', entry)
  add_to_index({id})
  if #entry <= LARGEST then return id, record end
  bury(id, 'larger than 40 MiB')
  count('failed', 1)
end

-- Takes emails from the lanes, high before normal before low, for a worker to send. Appends for each to `reply`: id,
-- claim, recipients already served as a JSON array or '', its record as it was before.
--
-- At most `max` emails and `max_bytes` of JSON, but the first email whatever its size. `popped` is an entry that was
-- taken off `popped_from` already, and comes before any other; both '' for none.
local function claim_into(reply, worker, lease, max, max_bytes, popped_from, popped)
  local claimed, bytes = 0, 0
  local places, held = {}, {}
  local claimed_now = SENDING_STATE .. NOW
  local claimed_once = claimed_now .. CLAIMED_ONCE

  local function take(entry, lane)
    local id, record = entry, #entry == 36 and redis.call('GET', record_of(entry))
    if record then
      if state_of(record) ~= QUEUED then return end
      local its_lane = lane_of(record)
      local places_of_lane = places[its_lane]
      if not places_of_lane then
        places_of_lane = {}
        places[its_lane] = places_of_lane
      end
      places_of_lane[#places_of_lane + 1] = when_of(record)
    elseif not is_id(entry) then
      id, record = adopt(entry, lane)
    end
    if not record then return end
    local claim, accepted, beginning = 1, '', claimed_once
    if counters_of(record) ~= NEW then
      claim = (claims_of(record) + 1) % 100000
      local attempts = attempts_of(record)
      beginning = claimed_now .. counters(claim, attempts, recovered_of(record))
      if attempts > 0 then accepted = redis.call('HGET', failure_of(id), 'accepted') or '' end
    end
    move(id, beginning)
    local header_ends = string.find(record, '\n', 50, true)
    claimed, bytes = claimed + 1, bytes + #record - header_ends
    local n = 2 * claimed
    held[n - 1], held[n] = id, beginning .. string.sub(record, #beginning + 1, header_ends)
    n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, claim, accepted, record
  end

  if popped ~= '' then
    local from = 'normal'
    for _, lane in ipairs(LANES) do
      if list_of(lane) == popped_from then from = lane end
    end
    take(popped, from)
  end
  -- Bounds how long Redis is kept busy where the list holds nothing but dropped entries; BRPOP then leads on.
  local looks = max + 1000
  for _, lane in ipairs(LANES) do
    local list, at_once = list_of(lane), 1
    while claimed < max and bytes < max_bytes and looks > 0 do
      -- An error means that some other program has put something else than a list here. To fail now would lose what has
      -- been claimed from the other lanes.
      local entries = redis.pcall('RPOP', list, math.min(at_once, max - claimed, looks))
      if not entries or entries.err then break end
      looks = looks - #entries
      -- Ids are small; what other programs push may be large, and is taken one by one.
      at_once = is_id(entries[#entries]) and 100 or 1
      for i, entry in ipairs(entries) do
        if bytes >= max_bytes then
          for j = #entries, i, -1 do redis.call('RPUSH', list, entries[j]) end
          break
        end
        take(entry, lane)
      end
    end
  end
  if claimed > 0 then
    leave(places)
    call_with('HSET', sending_of(worker), held)
    redis.call('ZADD', WORKERS, text_of(now + lease), worker)
    sweep_within(lease)
  end
end
