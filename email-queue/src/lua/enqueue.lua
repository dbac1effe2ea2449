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
-- An id that exists already is left as it is, so that a call whose answer was lost can be repeated.

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
if limit > 0 and redis.call('ZCARD', SCHEDULED) + waiting() + emails > limit then return {0} end

local ids, known = {}, {}
-- By lane: its last place, and what is put behind it.
local last, listed, places = {}, {}, {}
for i = 5, #ARGV, 4 do
  local id, lane, due, email = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  ids[#ids + 1] = id
  local fresh
  if due > now then
    fresh = create(id, SCHEDULED_STATE, text_of(due), lane, retention, email)
    if fresh then
      redis.call('ZADD', SCHEDULED, due, id)
      sweep_within(due - now)
    end
  else
    if not last[lane] then last[lane], listed[lane], places[lane] = last_place(lane), {}, {} end
    local nth = #listed[lane] + 1
    local place = text_of(last[lane] + nth)
    fresh = create(id, QUEUED, place, lane, retention, email)
    if fresh then listed[lane][nth], places[lane][nth] = id, place end
  end
  if fresh then known[#known + 1] = id end
end
for lane, those in pairs(listed) do
  if those[1] then wait_behind(lane, those, places[lane]) end
end
index(known)
if key ~= '' then
  redis.call('SET', idempotency_of(key), request .. table.concat(ids, ' '), 'PX', REMEMBERED_MS)
end
count('accepted', #known)
return {1}
