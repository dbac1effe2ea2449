-- Returns the history of the last hour, and the counters now. Takes a sample first, unless the last one is younger.
--
-- KEYS[1]  the queue
-- ARGV[1]  how far apart samples are, in ms
-- ARGV[2]  how many samples at the most, the newest
-- Reply    {the counters now as a sample, how many samples, the samples with the newest first; per minute its number and how
--          long emails took, as `sample` stores them}

local other = other_version()
if other then return other end
local apart, max = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Not taken where nothing can be written: Redis is full, or this is a replica.
pcall(take_sample, apart)
-- A key of another type has no history, as a worker warns.
local samples, latencies = redis.pcall('LRANGE', SERIES, 0, max - 1), redis.pcall('HGETALL', LATENCIES)
only_wrong_type(samples)
only_wrong_type(latencies)
local reply = {sample_now(), #samples, unpack(samples)}
for i = 2, #latencies, 2 do reply[#reply + 1] = latencies[i] end
return reply
