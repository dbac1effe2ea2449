-- Moves on what nobody holds: lists what is due, lists again what a dead worker held or popped, forgets what is past
-- its retention. Every worker calls it once a second; whoever comes first has the turn.
--
-- KEYS[1]  the queue
-- ARGV[1]  length of a turn in ms
-- ARGV[2]  how many emails at the most for each kind of work, so that Redis is never kept busy for long
-- ARGV[3]  grace in ms: how long an email may be popped and not yet claimed
-- ARGV[4]  how often an email may be taken from a dead worker before it becomes a dead letter
-- ARGV[5]  after how many ms of silence a worker is no longer listed
-- Reply    {turn: 1 or 0, due and listed, recovered from dead workers, popped and listed again, buried, forgotten,
--           more: 1 when some kind of work was cut off at ARGV[2]; the turn is then open at once}

write_though_full()
if not redis.call('SET', SWEEP, '1', 'NX', 'PX', ARGV[1]) then return {0, 0, 0, 0, 0, 0, 0} end
local batch, grace, max_recoveries = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local more = 0

local function first_of(set)
  local ids = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, batch)
  if #ids == batch then more = 1 end
  return ids
end

local listed = 0
for _, id in ipairs(first_of(SCHEDULED)) do
  redis.call('ZREM', SCHEDULED, id)
  local lane = redis.call('HGET', record_of(id), 'lane')
  if lane then
    list_last(id, lane)
    listed = listed + 1
  end
end

-- The first time to the front, because it has waited; from the second time on behind the others, because an email that
-- kills every worker that touches it must not hold up its lane.
local recovered, buried = 0, 0
for _, id in ipairs(first_of(SENDING)) do
  redis.call('ZREM', SENDING, id)
  local record = record_of(id)
  local lane = redis.call('HGET', record, 'lane')
  if lane then
    local times = redis.call('HINCRBY', record, 'recovered', 1)
    redis.call('HDEL', record, 'worker')
    if times > max_recoveries then
      bury(id, 'given up: ' .. times .. ' workers died or lost Redis while they had it in hand')
      buried = buried + 1
    else
      if times == 1 then list_first(id, lane) else list_last(id, lane) end
      recovered = recovered + 1
    end
  end
end

-- The score in `waiting` of the oldest email that is still on the lane's list; +inf when no waiting email is on it.
-- Entries that wait for nobody (canceled emails, plain JSON) are stepped over; after a hundred of them the answer is
-- -inf, "cannot tell", and the caller tries again when workers have taken them away.
local function oldest_listed(lane)
  for place = 1, 100 do
    local entry = redis.call('LINDEX', list_of(lane), -place)
    if not entry then return math.huge end
    local score = redis.call('ZSCORE', waiting_in(lane), entry)
    if score then return tonumber(score) end
  end
  return -math.huge
end

-- A lane's list is first in, first out, and `waiting` is scored in that order: what waits with a score below that of
-- the oldest entry on the list has been popped. When it is still not claimed after the grace, whoever popped it died
-- with the id in hand. `popped` remembers since when it is known.
local relisted = 0
for _, lane in ipairs(LANES) do
  local oldest = oldest_listed(lane)
  local below = '(' .. string.format('%.0f', oldest)
  if oldest == math.huge then below = '+inf' end
  if oldest > -math.huge then
    local ids = redis.call('ZRANGEBYSCORE', waiting_in(lane), '-inf', below, 'LIMIT', 0, batch)
    -- From the newest to the oldest, so that the oldest ends in front.
    for i = #ids, 1, -1 do
      local since = redis.call('ZSCORE', POPPED, ids[i])
      if not since then
        redis.call('ZADD', POPPED, now, ids[i])
      elseif tonumber(since) <= now - grace then
        redis.call('ZREM', POPPED, ids[i])
        redis.call('RPUSH', list_of(lane), ids[i])
        relisted = relisted + 1
      end
    end
  end
end
-- What was claimed in time is of no interest any more. The second grace lets a relisting above come first.
redis.call('ZREMRANGEBYSCORE', POPPED, '-inf', '(' .. (now - 2 * grace - 1000))

local forgotten = 0
for _, id in ipairs(first_of(FINISHED)) do
  redis.call('ZREM', FINISHED, id)
  redis.call('UNLINK', record_of(id))
  redis.call('ZREM', INDEX, id)
  forgotten = forgotten + 1
end

redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', now - ARGV[5])
count('recovered', recovered + relisted)
count('failed', buried)
if more == 1 then redis.call('DEL', SWEEP) end
return {1, listed, recovered, relisted, buried, forgotten, more}
