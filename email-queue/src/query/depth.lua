-- Counts emails by state. Read-only.
--
-- KEYS[1]  the queue
-- Reply    {waiting in high, normal, low, entries on the lists of lanes that are not paused, sending, scheduled, failed, for each
--          lane 1 when it is paused, else 0, entries on the lists of those that are}

local _, reply = waiting()
local paused = paused_lanes() or {}
local entries, paused_entries = 0, 0
for n, lane in ipairs(LANES) do
  local length = redis.call('LLEN', list_of(lane))
  if paused[n] then paused_entries = paused_entries + length else entries = entries + length end
  reply[7 + n] = paused[n] and 1 or 0
end
reply[4], reply[11] = entries, paused_entries
reply[5] = 0
for _, worker in ipairs(redis.call('ZRANGE', WORKERS, 0, -1)) do
  reply[5] = reply[5] + redis.call('HLEN', sending_of(worker))
end
reply[6] = redis.call('ZCARD', SCHEDULED)
reply[7] = redis.call('ZCARD', FAILED)
return reply
