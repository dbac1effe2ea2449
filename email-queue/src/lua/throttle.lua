-- Counts requests of a client against its limit.
--
-- KEYS[1]  the queue
-- ARGV[1]  the client, hashed
-- ARGV[2]  how many requests it may make
-- ARGV[3]  in how many ms
-- ARGV[4]  how many it makes now
-- ARGV[5]  'again' when the answer to the same call was lost: what was counted then is not counted anew
-- Reply    {1 within the limit, else 0; how many are left; ms until it may ask again for all}
-- More at once than the limit are let pass where there were none before, or they never would; they then count for as many
-- periods as it takes to make so many.

local key = queue .. ':rate:' .. ARGV[1]
local limit, period, makes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local function left(made)
  local allowed = made <= limit or made <= makes
  return {allowed and 1 or 0, math.max(0, limit - made), math.max(1, redis.call('PTTL', key))}
end

-- One, as nearly all calls make, is one command.
local made = (ARGV[5] or makes > 1) and tonumber(redis.call('GET', key))
if ARGV[5] and made then return left(made) end
made = makes == 1 and redis.call('INCR', key) or (made or 0) + makes
if made > makes then
  if makes > 1 then redis.call('SET', key, made, 'KEEPTTL') end
else
  redis.call('SET', key, made, 'PX', period * math.max(1, math.ceil(makes / limit)))
end
return left(made)
