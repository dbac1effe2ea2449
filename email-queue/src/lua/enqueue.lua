-- Accepts emails: gives each a record, and lists it, or schedules it where its time has not come.
-- All of them or, when the backlog has no room for all, none.
--
-- KEYS[1]  the queue
-- ARGV[1]  backlog limit: how many emails may wait or be scheduled; 0 for no limit
-- ARGV[2]  retention in ms of these emails once finished; '' for the worker's own
-- ARGV[3]  idempotency key, hashed; '' for none
-- ARGV[4]  hash of the request, 64 characters
-- ARGV[5…] per email: id, lane, due in ms since 1970 (0: now), email as JSON
-- Reply    {1, backlog} accepted
--          {0, backlog} no room: nothing was changed
--          {2, id …}    the same request was accepted before under that key, with these ids: nothing was changed
--          {3}          another request was accepted under that key: nothing was changed
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

local backlog = redis.call('ZCARD', SCHEDULED)
for _, lane in ipairs(LANES) do
  backlog = backlog + redis.call('ZCARD', waiting_in(lane))
end
if limit > 0 and backlog + emails > limit then return {0, backlog} end

local accepted, ids = 0, {}
for i = 5, #ARGV, 4 do
  local id, lane, due, email = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local record = record_of(id)
  ids[#ids + 1] = id
  if redis.call('EXISTS', record) == 0 then
    accepted = accepted + 1
    if due > now then
      redis.call('ZADD', SCHEDULED, due, id)
      redis.call('HSET', record, 'state', 'scheduled', 'due', due)
    else
      list_last(id, lane)
    end
    redis.call('HSET', record, 'email', email, 'lane', lane, 'created', now)
    if retention ~= '' then redis.call('HSET', record, 'retention', retention) end
    redis.call('ZADD', INDEX, 0, id)
  end
end
if key ~= '' then
  redis.call('SET', idempotency_of(key), request .. table.concat(ids, ' '), 'PX', REMEMBERED_MS)
end
count('accepted', accepted)
return {1, backlog + accepted}
