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

-- What puts the counter back, once it is another.
local undo = {}
return whole(undo, function()
  local counted = (ARGV[5] or makes > 1) and tonumber(redis.call('GET', key))
  if ARGV[5] and counted then return left(counted) end
  local made
  if makes == 1 then
    made = redis.call('INCR', key)
  else
    made = (counted or 0) + makes
    redis.call('SET', key, made, 'KEEPTTL')
  end
  if made > makes then
    undo[1] = {'SET', key, made - makes, 'KEEPTTL'}
  else
    undo[1], undo[2] = {'DEL', key}, {'PEXPIRE', key, '0'}
    redis.call('PEXPIRE', key, period * math.max(1, math.ceil(makes / limit)))
  end
  return left(made)
end)
