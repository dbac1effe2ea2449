-- Counts what is where. Changes nothing.
--
-- KEYS[1]  the queue
-- Reply    {waiting in high, normal, low, entries on the lists, sending, scheduled, failed}

local reply, entries = {}, 0
for i, lane in ipairs(LANES) do
  reply[i] = redis.call('ZCARD', waiting_in(lane))
  entries = entries + redis.call('LLEN', list_of(lane))
end
reply[4] = entries
reply[5] = redis.call('ZCARD', SENDING)
reply[6] = redis.call('ZCARD', SCHEDULED)
reply[7] = redis.call('ZCARD', FAILED)
return reply
