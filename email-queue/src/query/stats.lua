-- Counts what there is in a queue. Read-only, and bounded: it looks at one email per lane.
--
-- KEYS[1]  the queue
-- Reply    {now; per lane: how many wait, when the first of them was accepted or '', since when it is paused or '';
--          scheduled and delayed, delayed alone, sending, failed, workers with a live lease;
--          the relay that is held off: its name, since, until, class, error, failures in a row, all '' when none is;
--          the counters since the queue was created, as names and numbers}
-- Times are in ms since 1970.

local other = other_version()
if other then return other end

-- When the first email of a lane was accepted.
local function oldest(lane)
  local chunk = redis.call('ZRANGE', chunks_of(lane), 0, 0)[1]
  local fields = chunk and redis.call('HGETALL', chunk_key(lane, chunk)) or {}
  local first, id
  for i = 1, #fields, 2 do
    if not first or fields[i] < first then first, id = fields[i], fields[i + 1] end
  end
  if not id then return '' end
  local header = header_of(id)
  return header and string.sub(header, 46, 58) or accepted_at(id)
end

local _, waits = waiting()
local pauses = shown_pauses()
local reply = {NOW}
for n, lane in ipairs(LANES) do
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = waits[n], oldest(lane), pauses[n]
end
local sending = 0
local workers = redis.call('ZRANGE', WORKERS, 0, 999, 'WITHSCORES')
local live = 0
for i = 1, #workers, 2 do
  sending = sending + redis.call('HLEN', sending_of(workers[i]))
  if tonumber(workers[i + 1]) > now then live = live + 1 end
end
local scheduled = redis.call('ZCARD', SCHEDULED)
local delayed = tonumber(redis.call('HGET', WAITING, 'delayed') or 0)
for _, number in ipairs({scheduled, math.max(0, math.min(delayed, scheduled)), sending, redis.call('ZCARD', FAILED), live}) do
  reply[#reply + 1] = number
end
local relay = redis.call('GET', HELD_OFF)
local held = relay and redis.call('HMGET', relay_of(relay), 'name', 'since', 'until', 'class', 'error', 'failures') or {}
for n = 1, 6 do reply[#reply + 1] = held[3] and held[n] or '' end
for _, value in ipairs(redis.call('HGETALL', TOTALS)) do reply[#reply + 1] = value end
return reply
