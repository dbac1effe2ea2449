-- Accepts emails: gives each a record, and lists it, or schedules it where its time has not come.
-- All of them or, when the backlog has no room for all, none.
--
-- KEYS[1]  the queue
-- ARGV[1]  backlog limit: how many emails may wait or be scheduled; 0 for no limit
-- ARGV[2]  retention in ms of these emails once finished; '' for the worker's own
-- ARGV[3…] per email: id, lane, due in ms since 1970 (0: now), email as JSON
-- Reply    {1, backlog} accepted, or {0, backlog} no room: nothing was changed
-- An id that exists already is left as it is, so that a call whose answer was lost can be repeated.

local limit = tonumber(ARGV[1])
local retention = ARGV[2]
local emails = (#ARGV - 2) / 4

local backlog = redis.call('ZCARD', SCHEDULED)
for _, lane in ipairs(LANES) do
  backlog = backlog + redis.call('ZCARD', waiting_in(lane))
end
if limit > 0 and backlog + emails > limit then return {0, backlog} end

local accepted = 0
for i = 3, #ARGV, 4 do
  local id, lane, due, email = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]), ARGV[i + 3]
  local record = record_of(id)
  if redis.call('EXISTS', record) == 0 then
    accepted = accepted + 1
    redis.call('HSET', record, 'email', email, 'lane', lane, 'created', now)
    if retention ~= '' then redis.call('HSET', record, 'retention', retention) end
    redis.call('ZADD', INDEX, 0, id)
    if due > now then
      redis.call('HSET', record, 'state', 'scheduled', 'due', due)
      redis.call('ZADD', SCHEDULED, due, id)
    else
      list_last(id, lane)
    end
  end
end
count('accepted', accepted)
return {1, backlog + accepted}
