-- Whether an email could be accepted. Changes nothing.
--
-- KEYS[1]  the queue
-- Reply    {1}
-- What keeps an email from being accepted is the error of this script as well: Redis is full or a replica, it cannot keep
-- its data, it is a node of a cluster without the queue, or a key is in use for something else. A full Redis takes more where
-- the bodies of emails that have ended can be removed.

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
