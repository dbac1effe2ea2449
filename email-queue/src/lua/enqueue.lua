-- Accepts emails: gives each a record, and lists it, or schedules it where its time has not come.
-- All of them or, when the backlog has no room for all, none.
--
-- KEYS[1]  the queue
-- ARGV[1]  backlog limit: how many emails may wait or be scheduled; 0 for no limit
-- ARGV[2]  retention in ms of these emails once finished; '' for the worker's own
-- ARGV[3]  idempotency key, hashed; '' for none
-- ARGV[4]  hash of the request, 64 characters
-- ARGV[5…] per email: id, lane, due in ms since 1970 (0: now), email as JSON
-- Reply    {1} accepted
--          {0} no room: nothing was changed
--          {2, id …}  the same request was accepted before under that key, with these ids: nothing was changed
--          {3} another request was accepted under that key: nothing was changed
-- An id that exists already is left as it is, so that a call whose answer was lost can be repeated: that has room, too.

local limit, retention, key, request = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local emails = (#ARGV - 4) / 4
local REMEMBERED_MS = 24 * 60 * 60 * 1000

if key ~= '' then
  local before = redis.call('GET', idempotency_of(key))
  if before then
    if string.sub(before, 1, 64) ~= request then return {3} end
    local reply = {2}
    for id in string.gmatch(string.sub(before, 65), '%S+') do reply[#reply + 1] = id end
    return reply
  end
end
-- The hint of the index; how many emails wait in each lane, and the last place given in it.
local counted = redis.call('HMGET', WAITING, 'index', 'high', 'high:last', 'normal', 'normal:last', 'low', 'low:last')
if limit > 0 then
  local waits = (counted[2] or 0) + (counted[4] or 0) + (counted[6] or 0)
  if redis.call('ZCARD', SCHEDULED) + waits + emails > limit then
    -- They are among those that wait if the answer to the same call was lost.
    return {emails > 0 and redis.call('EXISTS', record_of(ARGV[5])) or 0}
  end
end

local COUNTED_AT = {high = 2, normal = 4, low = 6}
-- The ids that have got a record by this call: for each its place, or '' where it is scheduled.
local fresh = {}
-- Each step may fail, and an error is to mean that no email was accepted.
local done, why

if emails == 1 and key == '' and tonumber(ARGV[7]) <= now then
  -- One email for now, as nearly all calls have, spelled out: it is the same as below, without the lists for many.
  local id, lane = ARGV[5], ARGV[6]
  local at = COUNTED_AT[lane]
  local waits, last = (counted[at] or 0) + 1, (counted[at + 1] or 0) + 1
  local its_place = text_of(ORIGIN + last)
  if not create(id, QUEUED, its_place, lane, retention, ARGV[8]) then return {1} end
  fresh[id] = its_place
  done, why = pcall(redis.call, 'LPUSH', list_of(lane), id)
  if done then done, why = pcall(place_one, lane, id, its_place) end
  if done then done, why = pcall(index_one, counted[1], id) end
  if done and why then
    done, why = pcall(redis.call, 'HSET', WAITING, lane, waits, lane .. ':last', last, 'index', why)
  elseif done then
    done, why = pcall(redis.call, 'HSET', WAITING, lane, waits, lane .. ':last', last)
  end
  if done then done, why = pcall(count, 'accepted', 1) end
else
  done, why = pcall(function()
    -- The lanes in which emails are listed now, each with the new ones and their places.
    local lanes, lane_named, ids, known = {}, {}, {}, {}
    for i = 5, #ARGV, 4 do
      local id, name, due, email = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
      if due > now then
        if create(id, SCHEDULED_STATE, text_of(due), name, retention, email) then
          fresh[id], known[#known + 1] = '', id
          redis.call('ZADD', SCHEDULED, due, id)
          sweep_within(due - now)
        end
      else
        local lane = lane_named[name]
        if not lane then
          local at = COUNTED_AT[name]
          lane = {name = name, waits = counted[at] or 0, last = counted[at + 1] or 0, ids = {}, places = {}}
          lanes[#lanes + 1], lane_named[name] = lane, lane
        end
        local nth = #lane.ids + 1
        local its_place = text_of(ORIGIN + lane.last + nth)
        if create(id, QUEUED, its_place, name, retention, email) then
          fresh[id], known[#known + 1] = its_place, id
          lane.ids[nth], lane.places[nth] = id, its_place
        end
      end
      ids[#ids + 1] = id
    end
    local changed = {}
    for _, lane in ipairs(lanes) do
      local added = #lane.ids
      if added > 0 then
        call_with('LPUSH', list_of(lane.name), lane.ids)
        place(lane.name, lane.ids, lane.places)
        changed[#changed + 1], changed[#changed + 2] = lane.name, lane.waits + added
        changed[#changed + 1], changed[#changed + 2] = lane.name .. ':last', lane.last + added
      end
    end
    local hint = index_with(counted[1], known)
    if hint then changed[#changed + 1], changed[#changed + 2] = 'index', hint end
    if changed[1] then redis.call('HSET', WAITING, unpack(changed)) end
    if key ~= '' then
      redis.call('SET', idempotency_of(key), request .. table.concat(ids, ' '), 'PX', REMEMBERED_MS)
    end
    count('accepted', #known)
  end)
end
if done then return {1} end

-- An error means that no email was accepted. So what has been written of them before it is taken back, as far as it was.
local last_list = counted[1] and string.sub(counted[1], 1, 36)
for i = 5, #ARGV, 4 do
  local id, lane = ARGV[i], ARGV[i + 1]
  local its_place = fresh[id]
  if its_place then
    local found, its_list = pcall(names_around, id)
    for _, name in ipairs({last_list or id, found and its_list or id}) do
      redis.pcall('LREM', ids_from(name), -1, id)
      if redis.pcall('EXISTS', ids_from(name)) == 0 then redis.pcall('ZREM', INDEX, name) end
    end
    if its_place == '' then
      redis.pcall('ZREM', SCHEDULED, id)
    else
      redis.pcall('LREM', list_of(lane), 1, id)
      local chunk = chunk_of(its_place)
      redis.pcall('HDEL', chunk_key(lane, chunk), field_of(its_place))
      if redis.pcall('EXISTS', chunk_key(lane, chunk)) == 0 then redis.pcall('ZREM', chunks_of(lane), chunk) end
    end
    remove(record_of(id))
  end
end
for i = 5, #ARGV, 4 do
  if fresh[ARGV[i]] then redis.pcall('ZREM', INDEX, ARGV[i]) end
end
for i, field in ipairs({'index', 'high', 'high:last', 'normal', 'normal:last', 'low', 'low:last'}) do
  if counted[i] then redis.pcall('HSET', WAITING, field, counted[i]) else redis.pcall('HDEL', WAITING, field) end
end
if key ~= '' then remove(idempotency_of(key)) end
return as_reply(why)
