-- Counts emails by state. Read-only.
--
-- KEYS[1]  the queue
-- Reply    {waiting in high, normal, low, entries on the lists, sending, scheduled, failed}

local _, reply = waiting()
local entries = 0
for _, lane in ipairs(LANES) do entries = entries + redis.call('LLEN', list_of(lane)) end
reply[4] = entries
reply[5] = 0
for _, worker in ipairs(redis.call('ZRANGE', WORKERS, 0, -1)) do
  reply[5] = reply[5] + redis.call('HLEN', sending_of(worker))
end
reply[6] = redis.call('ZCARD', SCHEDULED)
reply[7] = redis.call('ZCARD', FAILED)
return reply
