-- Checks whether an email could be accepted. Read-only.
--
-- KEYS[1]  the queue
-- Reply    {1}
-- Fails with the error that `enqueue` would get: Redis is full, a replica, or cannot persist; this cluster node does
-- not hold the queue; or a key has another type. A full Redis counts as ready if bodies of ended emails can be removed.

local other = other_version()
if other then return other end
for _, lane in ipairs(LANES) do
  redis.call('LLEN', list_of(lane))
  redis.call('ZCARD', chunks_of(lane))
end
for _, hash in ipairs({WAITING, TOTALS}) do redis.call('HLEN', hash) end
for _, set in ipairs({SCHEDULED, INDEX}) do redis.call('ZCARD', set) end
local refused = try_to_write()
if type(refused) == 'table' and not (string.find(refused.err, 'maxmemory', 1, true) and redis.call('ZCARD', FINISHED) > 0) then
  return refused
end
return {1}
