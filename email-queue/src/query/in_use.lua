-- Returns whether a shard is in use, for those who were not told of it. Read-only.
--
-- KEYS[1]  the queue
-- Reply    {1 if it has emails, else 0; 1 if a worker serves it, else 0}

local other = other_version()
if other then return other end
local emails = redis.call('ZCARD', INDEX)
for _, lane in ipairs(LANES) do emails = emails + redis.call('LLEN', list_of(lane)) end
local live = redis.call('ZRANGEBYSCORE', WORKERS, now, '+inf', 'LIMIT', 0, 1)
return {math.min(1, emails), #live}
