-- Claiming emails from the lists.

-- The lane of a new email, by the counters and lane in its header. A lookup, because matching a pattern takes longer
-- than most Redis commands.
local LANE_OF_NEW = {
  [' 00000 0000 00 high  '] = 'high', [' 00000 0000 00 normal'] = 'normal', [' 00000 0000 00 low   '] = 'low',
}

-- For an email on a list that is not new: its lane, the claim's number, the header under this claim, and its progress. nil
-- if it is not queued. An unreadable one becomes a dead letter.
local function prepare_claim(id, record) -- lazy
  if record == '' then return end
  only_wrong_type(record)
  if not is_header(record) then
    dead_letter_unreadable(id)
  elseif state_of(record) == QUEUED then
    local claim = (claims_of(record) + 1) % 100000
    local counted = counters(claim, attempts_of(record), recovered_of(record))
    return lane_of(record), claim, SENDING_STATE .. NOW .. counted, progress_of(id)
  end
end

-- Undoes a claim that has failed: the worker has none of it in flight, and the entries in `taken` are back on their
-- lists.
local function undo_claim(worker, joins, in_flight, name, taken) -- lazy
  for i = 1, #in_flight, 2 do redis.pcall('HDEL', sending_of(worker), in_flight[i]) end
  if joins then redis.pcall('ZREM', WORKERS, worker) end
  undo_imports()
  if name ~= '' and imported[1] then remove(import_of(worker)) end
  for n = #taken, 1, -1 do
    local list, entries, many = unpack(taken[n])
    for i = many, 1, -1 do
      if type(redis.pcall('RPUSH', list, entries[i])) ~= 'number' then redis.pcall('LPUSH', list, entries[i]) end
    end
  end
end

-- Claims emails for a worker, from the lanes high, normal, low in this order. Appends to `reply`, for each: id, claim,
-- its progress or '', its record before the claim. Last, if the next email did not fit, its size in bytes.
--
-- At most `max` emails, and `max_bytes` of JSON; the first email may have up to `first_bytes`. `popped` is an entry
-- that BRPOP has already taken from the list `popped_from`, and is claimed first; '' and '' for none. If it is not an
-- id, `name` is the worker's name for it, so that repeated calls create one email. Then the reply contains only the
-- header of its record, and a negative claim number: the worker has the rest.
--
-- Of a lane that is paused nothing is claimed, and what was popped goes back to its front. The very last value then is a negative
-- number that says which of LANES are paused: -1 for the first, -2, -4, or the sum of several.
--
-- If it fails, at a key of another type, nothing is lost: the worker is recorded as the holder before the records
-- change. Until then maintenance treats an email as popped and not claimed. Entries that are not ids are put back. Then
-- returns the error, with `reply` unchanged.
local function claim_into(reply, worker, lease, max, max_bytes, first_bytes, popped_from, popped, name)
  local claimed, bytes, left = 0, 0, nil
  local sequences, in_flight, beginnings = {}, {}, {}
  local replied = #reply
  local claimed_once = SENDING_STATE .. NOW .. CLAIMED_ONCE
  -- As text: no more of a record is read than could be taken.
  local up_to, first_up_to = string.format('%.0f', max_bytes + 90), string.format('%.0f', first_bytes + 90)

  local function has_room(size)
    if claimed == 0 and size <= first_bytes or bytes + size <= max_bytes then return true end
    left = size
  end

  -- Assigns an email to the worker under this claim. `ends` is the end of the header in the record.
  local function assign(id, record, ends, claim, beginning, progress)
    claimed, bytes = claimed + 1, bytes + #record - ends
    local n = 2 * claimed
    in_flight[n - 1], in_flight[n] = id, beginning .. string.sub(record, #beginning + 1, ends)
    n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, claim, progress, record
  end

  -- Takes an entry, or drops it if its email is not queued. False if the email does not fit; then nothing has changed.
  local function take(entry, lane)
    local key = #entry == 36 and record_of(entry)
    local record = key and redis.pcall('GETRANGE', key, '0', claimed == 0 and first_up_to or up_to)
    if not record or record == '' and not is_id(entry) then
      if #entry > LARGEST then
        dead_letter_too_large(import(entry, lane))
        return true
      end
      if not has_room(#entry) then return false end
      local id, header = import(entry, lane)
      beginnings[record_of(id)] = claimed_once
      assign(id, header .. entry, #header, 1, claimed_once, '')
      return true
    end
    local claim, beginning, progress = 1, claimed_once, ''
    local ends = type(record) == 'string' and string.find(record, '\n', 59, true)
    local its_lane = ends and state_of(record) == QUEUED and LANE_OF_NEW[string.sub(record, 24, 44)]
    if not its_lane then
      its_lane, claim, beginning, progress = prepare_claim(entry, record)
      -- Dropped.
      if not its_lane then return true end
    end
    -- Moved to another lane, where it has another entry.
    if beginnings[key] or its_lane ~= lane then return true end
    if not has_room(#record - ends) then
      left = redis.call('STRLEN', key)
      return false
    end
    beginnings[key] = beginning
    add_sequence(sequences, its_lane, when_of(record))
    assign(entry, record, ends, claim, beginning, progress)
    return true
  end

  -- Entries taken from the lists, in order: {list, entries, count}. Whether the worker had nothing in flight before.
  local taken, joins = {}, false
  local paused

  local function take_all()
    paused = paused_lanes()
    if popped_from ~= '' then
      local from, is_paused = 'normal', paused and paused[2]
      for n, lane in ipairs(LANES) do
        if list_of(lane) == popped_from then from, is_paused = lane, paused and paused[n] end
      end
      if name ~= '' then
        local id, header, was_imported = import_popped(worker, popped, name, from)
        if was_imported then
          local n = #reply
          reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, -claims_of(header), '', header
          claimed, bytes = 1, #popped
          in_flight[1], in_flight[2] = id, header
        elseif id and is_paused then
          push_front_in_order(from, {{id}})
        elseif id and has_room(#popped) then
          beginnings[record_of(id)] = claimed_once
          assign(id, header, #header, -1, claimed_once, '')
          bytes = #popped
        elseif id then
          push_front(id, from)
        end
      elseif is_paused then
        put_back(popped, from)
      elseif not take(popped, from) then
        redis.call('RPUSH', list_of(from), popped)
      end
    end
    -- Bounds the time of the call if the list contains only entries to drop; BRPOP then continues.
    local scan_budget = max + 1000
    for n, lane in ipairs(LANES) do
      local list = list_of(lane)
      -- Not a number if the key is not a list: the other lanes continue.
      local length = claimed < max and not left and not (paused and paused[n]) and redis.pcall('LLEN', list)
      if type(length) ~= 'number' then length = 0 end
      -- Ids are small. Pushed entries may be large, so they are taken one at a time. There are none if the list is no
      -- longer than the number of waiting emails.
      local at_once = 1
      if length > 1 and length <= (tonumber(redis.call('HGET', WAITING, lane)) or 0) then at_once = 1000 end
      while length > 0 and claimed < max and bytes < max_bytes and scan_budget > 0 and not left do
        local entries = redis.call('RPOP', list, math.min(at_once, length, max - claimed, scan_budget))
        if not entries then break end
        local those = {list, entries, #entries}
        taken[#taken + 1] = those
        length, scan_budget = length - #entries, scan_budget - #entries
        for i, entry in ipairs(entries) do
          if not take(entry, lane) then
            for j = #entries, i, -1 do redis.call('RPUSH', list, entries[j]) end
            those[3] = i - 1
            break
          end
        end
      end
    end
    if claimed > 0 then
      joins = redis.call('ZADD', WORKERS, text_of(now + lease), worker) == 1
      call_with('HSET', sending_of(worker), in_flight)
      -- The last write: if it is not permitted, the first one has failed as well, and nothing was moved.
      for key, beginning in pairs(beginnings) do move_record(key, beginning) end
    end
  end

  local done, why = pcall(take_all)
  if not done then
    undo_claim(worker, joins, in_flight, name, taken)
    for n = #reply, replied + 1, -1 do reply[n] = nil end
    return as_reply(why)
  end
  -- The emails are the worker's now, even if something below fails. Maintenance removes entries that remain.
  if claimed > 0 then
    pcall(leave, sequences)
    pcall(maintain_within, lease)
  end
  if left then reply[#reply + 1] = left end
  if paused then
    local lanes = (paused[1] and 1 or 0) + (paused[2] and 2 or 0) + (paused[3] and 4 or 0)
    if lanes > 0 then reply[#reply + 1] = -lanes end
  end
end
