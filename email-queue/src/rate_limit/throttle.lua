-- Counts a client's requests against its limit.
--
-- KEYS[1]  the queue
-- ARGV[1]  the client, hashed
-- ARGV[2]  how many requests it may make
-- ARGV[3]  in how many ms
-- ARGV[4]  how many it makes now
-- ARGV[5]  'again' when the answer to the same call was lost: what was counted then is not counted anew
-- Reply    {1 within the limit, else 0; how many are left; ms until the whole limit is available again}
-- While one request is left, a larger batch passes too, or a busy client could never send one; the period is then
-- extended accordingly. Refused requests do not count.

local key = rate_of(ARGV[1])
local limit, period, makes, again = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]

local function reply(is_allowed, counted)
  return {is_allowed and 1 or 0, math.max(0, limit - counted), math.max(1, redis.call('PTTL', key))}
end

-- What puts the counter back, once it is another.
local undo = {}
return all_or_nothing(undo, function()
  local counted = (again or makes > 1) and tonumber(redis.call('GET', key))
  if again and counted then return reply(counted - makes < limit, counted) end
  local made
  if makes == 1 then
    made = redis.call('INCR', key)
  else
    made = (counted or 0) + makes
    redis.call('SET', key, made, 'KEEPTTL')
  end
  local before = made - makes
  if before == 0 then
    undo[1], undo[2] = {'DEL', key}, {'PEXPIRE', key, '0'}
    redis.call('PEXPIRE', key, period * math.max(1, math.ceil(makes / limit)))
    return reply(true, made)
  end
  undo[1] = {'SET', key, before, 'KEEPTTL'}
  if before >= limit then
    -- limit + makes records a refusal, so that a repeated call is refused too.
    redis.call('SET', key, math.max(before, limit + makes), 'KEEPTTL')
    return reply(false, before)
  end
  if made > limit then
    redis.call('PEXPIRE', key, redis.call('PTTL', key) + period * (math.ceil(made / limit) - 1))
  end
  return reply(true, made)
end)
