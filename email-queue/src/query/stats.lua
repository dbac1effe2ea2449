-- Counts what there is in a queue. Read-only, and bounded: it looks at one email and ten samples per lane.
--
-- KEYS[1]  the queue
-- Reply    {now; per lane: how many wait, how many entries its list has besides theirs, since when the first of them waits or '',
--          since when it is paused or ''; scheduled and delayed, delayed alone, sending, failed, workers with a live lease;
--          the relay that is held off, if a worker may use it: its name, since, until, class, error, failures in a row, all '' when
--          none is;
--          the counters since the queue was created, as names and numbers}
-- Times are in ms since 1970.

local other = other_version()
if other then return other end

-- Since when the first email of a lane, the nth of LANES, waits there: since it was accepted, became due, was retried or moved, or a
-- few seconds before that. Of one that came back to the front, which keeps no time, since its first failure, or since it was accepted.
-- So too where it has waited for longer than there is a history. Never later than it is.
local function oldest(nth, lane)
  local chunk = redis.call('ZRANGE', chunks_of(lane), 0, 0)[1]
  local fields = chunk and redis.call('HGETALL', chunk_key(lane, chunk)) or {}
  local first, id
  for i = 1, #fields, 2 do
    if not first or fields[i] < first then first, id = fields[i], fields[i + 1] end
  end
  if not id then return '' end
  local header = header_of(id)
  local accepted = header and string.sub(header, 46, 58) or accepted_at(id)
  local place = tonumber(chunk .. first) - ORIGIN
  local since = place > 0 and time_before(nth, place) or place <= 0 and redis.pcall('HGET', failure_of(id), 'since')
  return type(since) == 'string' and #since == #accepted and since > accepted and since <= NOW and since or accepted
end

local _, waits = waiting()
local pauses = shown_pauses()
local reply = {NOW}
for n, lane in ipairs(LANES) do
  local r = #reply
  reply[r + 1], reply[r + 2], reply[r + 3], reply[r + 4] = waits[n], other_entries(lane, waits[n]), oldest(n, lane), pauses[n]
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
local relay = relay_held_off()
local held = relay and redis.call('HMGET', relay_of(relay), 'name', 'since', 'until', 'class', 'error', 'failures') or {}
for n = 1, 6 do reply[#reply + 1] = held[3] and held[n] or '' end
for _, value in ipairs(redis.call('HGETALL', TOTALS)) do reply[#reply + 1] = value end
return reply
