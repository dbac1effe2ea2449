-- Counts a request of a client against its limit per second.
--
-- KEYS[1]  the queue
-- ARGV[1]  the client's API key, hashed
-- ARGV[2]  how many requests it may make in a second
-- ARGV[3]  'again' when the answer to the same call was lost: what was counted then is not counted anew
-- Reply    {1 within the limit, else 0; how many are left; ms until it may ask again for all}

local key = queue .. ':rate:' .. ARGV[1]
local limit = tonumber(ARGV[2])
local made = ARGV[3] and tonumber(redis.call('GET', key)) or redis.call('INCR', key)
if made == 1 then redis.call('PEXPIRE', key, 1000) end
return {made <= limit and 1 or 0, math.max(0, limit - made), math.max(1, redis.call('PTTL', key))}
