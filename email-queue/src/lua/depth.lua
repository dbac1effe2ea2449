-- Counts what is where. Changes nothing.
--
-- KEYS[1]  the queue
-- Reply    {waiting in high, normal, low, entries on the lists, sending, scheduled, failed}

local waits = redis.call('HMGET', WAITING, unpack(LANES))
local reply, entries = {}, 0
for i, lane in ipairs(LANES) do
  reply[i] = tonumber(waits[i] or 0)
  entries = entries + redis.call('LLEN', list_of(lane))
end
reply[4] = entries
reply[5] = 0
for _, worker in ipairs(redis.call('ZRANGE', WORKERS, 0, -1)) do
  reply[5] = reply[5] + redis.call('HLEN', sending_of(worker))
end
reply[6] = redis.call('ZCARD', SCHEDULED)
reply[7] = redis.call('ZCARD', FAILED)
return reply
