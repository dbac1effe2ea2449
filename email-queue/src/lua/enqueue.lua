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
-- One email for now, as nearly all calls have, spelled out: it is the same as below, without the lists for many.
if emails == 1 and key == '' and tonumber(ARGV[7]) <= now then
  local id, lane = ARGV[5], ARGV[6]
  local at = COUNTED_AT[lane]
  local waits, last = (counted[at] or 0) + 1, (counted[at + 1] or 0) + 1
  local its_place = text_of(ORIGIN + last)
  redis.call('LPUSH', list_of(lane), id)
  if not create(id, QUEUED, its_place, lane, retention, ARGV[8]) then
    redis.call('LREM', list_of(lane), 1, id)
    return {1}
  end
  place_one(lane, id, its_place)
  local hint = index_one(counted[1], id)
  if hint then
    redis.call('HSET', WAITING, lane, waits, lane .. ':last', last, 'index', hint)
  else
    redis.call('HSET', WAITING, lane, waits, lane .. ':last', last)
  end
  count('accepted', 1)
  return {1}
end

-- The lanes in which emails are listed now: `entries` go on the list, and of those the new ones, `ids`, get `places`.
local lanes, lane_named = {}, {}
for i = 5, #ARGV, 4 do
  local name = ARGV[i + 1]
  if tonumber(ARGV[i + 2]) <= now then
    local lane = lane_named[name]
    if not lane then
      local at = COUNTED_AT[name]
      lane = {name = name, waits = counted[at] or 0, last = counted[at + 1] or 0, entries = {}, ids = {}, places = {}}
      lanes[#lanes + 1], lane_named[name] = lane, lane
    end
    lane.entries[#lane.entries + 1] = ARGV[i]
  end
end
-- The first thing that is written, because it fails where some other program has put something else than a list. An
-- entry without a record does no harm.
for _, lane in ipairs(lanes) do call_with('LPUSH', list_of(lane.name), lane.entries) end

local ids, known = {}, {}
for i = 5, #ARGV, 4 do
  local id, due, email = ARGV[i], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local fresh
  if due > now then
    fresh = create(id, SCHEDULED_STATE, text_of(due), ARGV[i + 1], retention, email)
    if fresh then
      redis.call('ZADD', SCHEDULED, due, id)
      sweep_within(due - now)
    end
  else
    local lane = lane_named[ARGV[i + 1]]
    local nth = #lane.ids + 1
    local its_place = text_of(ORIGIN + lane.last + nth)
    fresh = create(id, QUEUED, its_place, lane.name, retention, email)
    if fresh then
      lane.ids[nth], lane.places[nth] = id, its_place
    else
      redis.call('LREM', list_of(lane.name), 1, id)
    end
  end
  ids[#ids + 1] = id
  if fresh then known[#known + 1] = id end
end

local changed = {}
for _, lane in ipairs(lanes) do
  local added = #lane.ids
  if added > 0 then
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
return {1}
