-- Accepts emails: creates the record of each, and pushes its id to a list or schedules it. All of them, or none if
-- there is no room for all.
--
-- KEYS[1]  the queue
-- ARGV[1]  backlog limit: how many emails may wait or be scheduled; 0 for no limit
-- ARGV[2]  how many bytes the records of all emails may have; 0 for no limit
-- ARGV[3]  retention in ms of these emails once finished; '' for the worker's own
-- ARGV[4]  idempotency key, hashed; '' for none
-- ARGV[5]  hash of the request, 64 characters
-- ARGV[6]  '1' if WAIT follows, '' if not. WAIT covers only what its connection wrote, so a call whose emails are there already
--          counts itself as `confirmed`
-- ARGV[7…] per email: ID, LANE, DUE in ms since 1970 (0: now), EMAIL as JSON
-- Reply    {1} accepted
--          {0} too many wait: nothing was changed
--          {2, id …}  the same request was accepted before under that key, with these ids: nothing was changed
--          {3} another request was accepted under that key, or move_key has moved it to another shard: nothing was changed
--          {4, bytes that are stored, bytes of this request}  no room for so many bytes: nothing was changed. make_room may
--          make some: a separate script, to keep this one fast
-- An existing id stays unchanged, so that a call can be repeated after a lost reply. A repeated call always has room.

local other = other_version()
if other then return other end
local limit, max_bytes, retention, key, request = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local wait_follows = ARGV[6] ~= ''
-- Where the emails begin, and what each has; enqueue.rs writes them in this order.
local FIRST = 7
local FIELDS = 4
local ID = 0
local LANE = 1
local DUE = 2
local EMAIL = 3
local emails = (#ARGV - FIRST + 1) / FIELDS
local REMEMBERED_MS = 24 * 60 * 60 * 1000

local function known_already(reply)
  if wait_follows then count('confirmed', 1) end
  return reply
end

if key ~= '' then
  local before = redis.call('GET', idempotency_of(key))
  if before then
    if string.sub(before, 1, 64) ~= request then return {3} end
    local reply = {2}
    for id in string.gmatch(string.sub(before, 65), '%S+') do reply[#reply + 1] = id end
    return known_already(reply)
  end
end
-- The hint of the index; how many emails wait in each lane, and its last sequence number; how many bytes are stored.
local counted = redis.call(
  'HMGET', WAITING, 'index', 'high', 'high:last', 'normal', 'normal:last', 'low', 'low:last', 'bytes', 'recount')
local bytes = tonumber(counted[8] or 0)
if limit > 0 then
  local waits = (counted[2] or 0) + (counted[4] or 0) + (counted[6] or 0)
  if redis.call('ZCARD', SCHEDULED) + waits + emails > limit then
    -- If this call is a repetition, its emails are already counted.
    if emails > 0 and redis.call('EXISTS', record_of(ARGV[FIRST + ID])) == 1 then return known_already({1}) end
    return {0}
  end
end
if max_bytes > 0 and emails > 0 then
  local asked = emails * (retention == '' and 59 or 60 + #retention)
  for i = FIRST, #ARGV, FIELDS do asked = asked + #ARGV[i + EMAIL] end
  if bytes + asked > max_bytes then
    if redis.call('EXISTS', record_of(ARGV[FIRST + ID])) == 1 then return known_already({1}) end
    return {4, bytes, asked}
  end
end

local COUNTED_AT = {high = 2, normal = 4, low = 6}
-- The ids that have got a record by this call: for each its sequence number, or '' where it is scheduled.
local fresh = {}
-- Each step may fail. An error must mean that no email was accepted.
local done, why

if emails == 1 and key == '' and tonumber(ARGV[FIRST + DUE]) <= now then
  -- One email for now, as nearly all calls have, spelled out: it is the same as below, without tables for many, and with
  -- numbers made texts in the way that takes the least time. Its sequence number is ORIGIN and the last one.
  local id, lane = ARGV[FIRST + ID], ARGV[FIRST + LANE]
  local at = COUNTED_AT[lane]
  local waits, last = (counted[at] or 0) + 1, (counted[at + 1] or 0) + 1
  local sequence = '5' .. string.format('%012d', last)
  local record = create(id, QUEUED, sequence, lane, retention, ARGV[FIRST + EMAIL])
  if not record then return known_already({1}) end
  fresh[id] = sequence
  bytes = string.format('%d', bytes + #record)
  waits, last = string.format('%d', waits), string.format('%d', last)
  done, why = pcall(redis.call, 'LPUSH', list_of(lane), id)
  if done then done, why = pcall(enter_one, lane, id, sequence) end
  if done then done, why = pcall(index_one, counted[1], id) end
  if done and why then
    done, why = pcall(redis.call, 'HSET', WAITING, lane, waits, lane .. ':last', last, 'bytes', bytes, 'index', why)
  elseif done then
    done, why = pcall(redis.call, 'HSET', WAITING, lane, waits, lane .. ':last', last, 'bytes', bytes)
  end
  if done and counted[9] then done, why = pcall(grow_recount, id, #record) end
  if done then done, why = pcall(redis.call, 'HINCRBY', TOTALS, 'accepted', '1') end
else
  done, why = pcall(function()
    -- The lanes to which emails are pushed now, each with the new ones and their sequence numbers.
    local lanes, lane_named, ids, known = {}, {}, {}, {}
    local function note(id, record)
      known[#known + 1], bytes = id, bytes + #record
      if counted[9] then grow_recount(id, #record) end
    end
    for i = FIRST, #ARGV, FIELDS do
      local id, name, due, email = ARGV[i + ID], ARGV[i + LANE], tonumber(ARGV[i + DUE]), ARGV[i + EMAIL]
      if due > now then
        local record = create(id, SCHEDULED_STATE, text_of(due), name, retention, email)
        if record then
          fresh[id] = ''
          note(id, record)
          redis.call('ZADD', SCHEDULED, due, id)
          maintain_within(due - now)
        end
      else
        local lane = lane_named[name]
        if not lane then
          local at = COUNTED_AT[name]
          lane = {name = name, waits = counted[at] or 0, last = counted[at + 1] or 0, ids = {}, sequences = {}}
          lanes[#lanes + 1], lane_named[name] = lane, lane
        end
        local nth = #lane.ids + 1
        local sequence = text_of(ORIGIN + lane.last + nth)
        local record = create(id, QUEUED, sequence, name, retention, email)
        if record then
          fresh[id] = sequence
          note(id, record)
          lane.ids[nth], lane.sequences[nth] = id, sequence
        end
      end
      ids[#ids + 1] = id
    end
    local changed = {}
    for _, lane in ipairs(lanes) do
      local added = #lane.ids
      if added > 0 then
        call_with('LPUSH', list_of(lane.name), lane.ids)
        enter_all(lane.name, lane.ids, lane.sequences)
        changed[#changed + 1], changed[#changed + 2] = lane.name, lane.waits + added
        changed[#changed + 1], changed[#changed + 2] = lane.name .. ':last', lane.last + added
      end
    end
    local hint = index_with(counted[1], known)
    if hint then changed[#changed + 1], changed[#changed + 2] = 'index', hint end
    if known[1] then redis.call('HSET', WAITING, 'bytes', bytes, unpack(changed)) end
    if key ~= '' then
      redis.call('SET', idempotency_of(key), request .. table.concat(ids, ' '), 'PX', REMEMBERED_MS)
    end
    count('accepted', #known)
    if not known[1] then known_already() end
  end)
end
if done then return {1} end

-- An error means that no email was accepted, so earlier writes are undone.
local last_list = counted[1] and string.sub(counted[1], 1, 36)
for i = FIRST, #ARGV, FIELDS do
  local id, lane = ARGV[i + ID], ARGV[i + LANE]
  local sequence = fresh[id]
  if sequence then
    local found, its_list = pcall(names_around, id)
    for _, name in ipairs({last_list or id, found and its_list or id}) do
      redis.pcall('LREM', ids_from(name), -1, id)
      if redis.pcall('EXISTS', ids_from(name)) == 0 then redis.pcall('ZREM', INDEX, name) end
    end
    if sequence == '' then
      redis.pcall('ZREM', SCHEDULED, id)
    else
      redis.pcall('LREM', list_of(lane), 1, id)
      local chunk = chunk_of(sequence)
      redis.pcall('HDEL', chunk_key(lane, chunk), field_of(sequence))
      if redis.pcall('EXISTS', chunk_key(lane, chunk)) == 0 then redis.pcall('ZREM', chunks_of(lane), chunk) end
    end
    remove(record_of(id))
  end
end
for id in pairs(fresh) do redis.pcall('ZREM', INDEX, id) end
for i, field in ipairs({'index', 'high', 'high:last', 'normal', 'normal:last', 'low', 'low:last', 'bytes'}) do
  if counted[i] then redis.pcall('HSET', WAITING, field, counted[i]) else redis.pcall('HDEL', WAITING, field) end
end
-- A recount in progress may include them, so it restarts.
if counted[9] then redis.pcall('HDEL', WAITING, 'recount', 'counted') end
if key ~= '' then remove(idempotency_of(key)) end
return as_reply(why)
