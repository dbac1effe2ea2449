-- Taking emails off the lists.

-- No API accepts more; a worker that read it would only risk its memory.
local LARGEST = 40 * 1024 * 1024

-- An entry of this size is not copied once more to be put behind its header.
local LARGE = 1024 * 1024

local IMPORT_REMEMBERED_MS = 24 * 60 * 60 * 1000

local function is_id(entry)
  return #entry == 36 and string.find(entry, '^%x+%-%x+%-%x+%-%x+%-%x+$')
end

-- The ids that this script has given to entries of other programs; and for taking that back the first `nth`, and the
-- `hint` of the index before it, and how many `bytes` there were.
local adopted = {}

-- Gives a record to an entry that some other program has pushed, and returns its id and header.
local function adopt(entry, lane)
  -- A UUID v7 (RFC 9562 5.7) with a fraction of the millisecond behind the time, as the API makes them. The rest is a
  -- hash: a script has no source of randomness.
  local nth = redis.call('HINCRBY', TOTALS, 'adopted', 1)
  local hash = redis.sha1hex(queue .. ' ' .. time[1] .. ' ' .. time[2] .. ' ' .. nth)
  local ms, fraction = string.format('%012x', now), string.format('%03x', math.floor(time[2] % 1000 * 4.096))
  local variant = string.format('%x', 8 + tonumber(string.sub(hash, 1, 1), 16) % 4)
  local id = string.sub(ms, 1, 8) .. '-' .. string.sub(ms, 9, 12) .. '-7' .. fraction .. '-'
    .. variant .. string.sub(hash, 2, 4) .. '-' .. string.sub(hash, 5, 16)
  local header = QUEUED .. text_of(0) .. NEW .. string.format(' %-6s ', lane) .. NOW .. '\n'
  adopted[#adopted + 1], adopted.nth = id, adopted.nth or nth
  local hint = add_to_index({id})
  if adopted.hint == nil then adopted.hint = hint end
  local size = #header + #entry
  local bytes = redis.call('HINCRBY', WAITING, 'bytes', size)
  adopted.bytes = adopted.bytes or bytes - size
  if #entry < LARGE then
    redis.call('SET', record_of(id), header .. entry)
  else
    redis.call('SET', record_of(id), header)
    redis.call('APPEND', record_of(id), entry)
  end
  grow_recount(id, size)
  return id, header
end

-- Leaves nothing of the entries that this script has given a record, but the entries themselves, which are the caller's.
local function take_back_adopted()
  for _, id in ipairs(adopted) do
    pcall(unindex, {id})
    redis.pcall('ZREM', INDEX, id)
    remove(record_of(id))
  end
  if adopted.hint then redis.pcall('HSET', WAITING, 'index', adopted.hint) end
  if adopted.hint == false then redis.pcall('HDEL', WAITING, 'index') end
  if adopted.bytes == 0 then
    redis.pcall('HDEL', WAITING, 'bytes')
  elseif adopted.bytes then
    redis.pcall('HSET', WAITING, 'bytes', string.format('%.0f', adopted.bytes))
  end
  -- A count that is under way may have heard of them: it begins again.
  if adopted[1] and redis.pcall('HGET', WAITING, 'recount') then redis.pcall('HDEL', WAITING, 'recount', 'counted') end
  if adopted.nth == 1 then redis.pcall('HDEL', TOTALS, 'adopted') end
  if (adopted.nth or 0) > 1 then redis.pcall('HSET', TOTALS, 'adopted', adopted.nth - 1) end
end

-- Takes emails from the lanes, high before normal before low, for a worker to send. Appends for each to `reply`: id,
-- claim, its progress or '', its record as it was before. In the end, if the next email found no room, its size in bytes.
--
-- At most `max` emails, and `max_bytes` of JSON; the first email may have up to `first_bytes`. `popped` is an entry that was
-- taken off the list `popped_from` already, and comes before any other; '' and '' for none. If it is no id, `import` is
-- what the worker calls it, so that it is one email however often the call is repeated, and its record is not replied but
-- for the header, after a claim below zero: the worker has the rest.
--
-- It may fail, where a key is in use for something else, and loses nothing by it: first the worker is noted as the holder,
-- and only then the records say so. Until then the sweep takes an email for one that was popped and not claimed. Entries
-- that are no id are put back. Returns the error then, with `reply` as it was.
local function claim_into(reply, worker, lease, max, max_bytes, first_bytes, popped_from, popped, import)
  local claimed, bytes, left = 0, 0, nil
  local places, held, beginnings = {}, {}, {}
  local replied = #reply
  local claimed_now = SENDING_STATE .. NOW
  local claimed_once = claimed_now .. CLAIMED_ONCE
  -- As text: no more of a record is read than could be taken.
  local up_to, first_up_to = string.format('%.0f', max_bytes + 90), string.format('%.0f', first_bytes + 90)

  local function has_room(size)
    if claimed == 0 and size <= first_bytes or bytes + size <= max_bytes then return true end
    left = size
  end

  -- `ends` is where the header ends in the record.
  local function hold(id, record, ends, size, is_given)
    local claim, progress, beginning = 1, '', claimed_once
    if counters_of(record) ~= NEW then
      claim = (claims_of(record) + 1) % 100000
      beginning = claimed_now .. counters(claim, attempts_of(record), recovered_of(record))
      progress = progress_of(id)
    end
    claimed, bytes = claimed + 1, bytes + size
    beginnings[id] = beginning
    local n = 2 * claimed
    held[n - 1], held[n] = id, beginning .. string.sub(record, #beginning + 1, ends)
    n = #reply
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, is_given and -claim or claim, progress, record
  end

  -- Takes an entry, and drops one that leads to no email that waits. False when there is no room for it: then nothing
  -- was changed.
  local function take(entry, lane)
    local record = #entry == 36 and redis.pcall('GETRANGE', record_of(entry), '0', claimed == 0 and first_up_to or up_to)
    if not record or record == '' and not is_id(entry) then
      if #entry <= LARGEST and not has_room(#entry) then return false end
      local id, header = adopt(entry, lane)
      if #entry <= LARGEST then
        hold(id, header .. entry, #header, #entry)
      else
        bury(id, 'too_large', 'larger than 40 MiB')
        count('failed', 1)
      end
    elseif type(record) ~= 'string' then
      bury_unreadable(entry)
    elseif record ~= '' then
      local state, its_lane, ends = state_of(record), lane_of(record), string.find(record, '\n', 59, true)
      -- A new email has counters that no other text has, and looking for a pattern takes longer than most commands of Redis.
      local is_new = counters_of(record) == NEW and state == QUEUED and its_lane and ends
      if not is_new and not is_header(record) then
        bury_unreadable(entry)
      elseif state == QUEUED and not beginnings[entry] then
        local size = #record - ends
        if not has_room(size) then
          left = redis.call('STRLEN', record_of(entry))
          return false
        end
        local places_of_lane = places[its_lane]
        if not places_of_lane then
          places_of_lane = {}
          places[its_lane] = places_of_lane
        end
        places_of_lane[#places_of_lane + 1] = when_of(record)
        hold(entry, record, ends, size)
      end
    end
    return true
  end

  -- Takes an entry that is no id and is in the hands of the worker.
  local function import_popped(lane)
    local key = import_of(worker)
    local before = redis.call('GET', key)
    if before and string.sub(before, 38) == import then
      -- The answer was lost. What is no longer in the hands of this worker is on its way again by now.
      local id = string.sub(before, 1, 36)
      local header = redis.call('HGET', sending_of(worker), id)
      if is_header(header) then
        local n = #reply
        reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = id, -claims_of(header), '', header
        claimed, bytes = 1, #popped
        held[1], held[2] = id, header
      end
      return
    end
    local id, header = adopt(popped, lane)
    redis.call('SET', key, id .. ' ' .. import, 'PX', IMPORT_REMEMBERED_MS)
    if #popped > LARGEST then
      bury(id, 'too_large', 'larger than 40 MiB')
      count('failed', 1)
    elseif has_room(#popped) then
      hold(id, header, #header, #popped, true)
    else
      list_first(id, lane)
    end
  end

  -- What is taken off the lists, in that order: {list, entries, how many of them}. Whether the worker had nothing in hand before.
  local taken, joins = {}, false

  local function take_all()
    if popped_from ~= '' then
      local from = 'normal'
      for _, lane in ipairs(LANES) do
        if list_of(lane) == popped_from then from = lane end
      end
      if import ~= '' then
        import_popped(from)
      elseif not take(popped, from) then
        redis.call('RPUSH', list_of(from), popped)
      end
    end
    -- Bounds how long Redis is kept busy where the list holds nothing but dropped entries; BRPOP then leads on.
    local looks = max + 1000
    for _, lane in ipairs(LANES) do
      local list = list_of(lane)
      -- No number where some other program has put something else than a list: the other lanes go on.
      local listed = claimed < max and not left and redis.pcall('LLEN', list)
      if type(listed) ~= 'number' then listed = 0 end
      -- Ids are small. What other programs push may be large, and is taken one by one; there is none of it where no more
      -- is listed than waits.
      local at_once = 1
      if listed > 1 and listed <= tonumber(redis.call('HGET', WAITING, lane) or 0) then at_once = 1000 end
      while listed > 0 and claimed < max and bytes < max_bytes and looks > 0 and not left do
        local entries = redis.call('RPOP', list, math.min(at_once, listed, max - claimed, looks))
        if not entries then break end
        local those = {list, entries, #entries}
        taken[#taken + 1] = those
        listed, looks = listed - #entries, looks - #entries
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
      call_with('HSET', sending_of(worker), held)
    end
  end

  local done, why = pcall(take_all)
  if not done then
    for i = 1, #held, 2 do redis.pcall('HDEL', sending_of(worker), held[i]) end
    if joins then redis.pcall('ZREM', WORKERS, worker) end
    take_back_adopted()
    if import ~= '' and adopted[1] then remove(import_of(worker)) end
    for n = #taken, 1, -1 do
      local list, entries, many = unpack(taken[n])
      for i = many, 1, -1 do
        if type(redis.pcall('RPUSH', list, entries[i])) ~= 'number' then redis.pcall('LPUSH', list, entries[i]) end
      end
    end
    for n = #reply, replied + 1, -1 do reply[n] = nil end
    return as_reply(why)
  end
  -- They are the worker's, whatever fails from here on. A place that is left over is taken away by the sweep.
  if claimed > 0 then
    for id, beginning in pairs(beginnings) do move(id, beginning) end
    pcall(leave, places)
    pcall(sweep_within, lease)
  end
  if left then reply[#reply + 1] = left end
end
