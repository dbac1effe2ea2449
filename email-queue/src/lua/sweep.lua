-- Moves on what nobody holds: lists what is due, lists again what a dead worker held or popped, forgets what is past
-- its retention. Every worker calls it when the key of the sweep has expired; whoever comes first has the turn.
--
-- KEYS[1]  the queue
-- ARGV[1]  length of a turn in ms: how long nobody sweeps after this call
-- ARGV[2]  how many emails at the most for each kind of work, so that Redis is never kept busy for long
-- ARGV[3]  grace in ms: how long an email may be popped and not yet claimed
-- ARGV[4]  how often an email may be taken from a dead worker before it becomes a dead letter
-- ARGV[5]  after how many ms of silence a worker is no longer listed
-- ARGV[6]  rest in ms: how long nobody sweeps when nothing is to be expected
-- Reply    {turn: 1 or 0, due and listed, recovered from dead workers, popped and listed again, buried, forgotten,
--           more: 1 when some kind of work was cut off at ARGV[2]; the turn is then open at once}

write_though_full()
if not redis.call('SET', SWEEP, '1', 'NX', 'PX', ARGV[1]) then return {0, 0, 0, 0, 0, 0, 0} end
local turn, batch, grace, max_recoveries = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local more = 0

local function first_of(set)
  local ids = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, batch)
  if #ids == batch then more = 1 end
  return ids
end

local listed = 0
for _, id in ipairs(first_of(SCHEDULED)) do
  redis.call('ZREM', SCHEDULED, id)
  local header = header_of(id)
  if header then
    list_last(id, lane_of(header))
    listed = listed + 1
  end
end

-- The first time to the front, because it has waited; from the second time on behind the others, because an email that
-- kills every worker that touches it must not hold up its lane.
local recovered, buried = 0, 0
local abandoned = first_of(SENDING)
let_go(abandoned)
for _, id in ipairs(abandoned) do
  local header = header_of(id)
  if header then
    local times = recovered_of(header) + 1
    local counted = counters(claims_of(header), attempts_of(header), times)
    if times > max_recoveries then
      bury(id, 'given up: ' .. times .. ' workers died or lost Redis while they had it in hand', counted)
      buried = buried + 1
    else
      if times == 1 then list_first(id, lane_of(header), counted) else list_last(id, lane_of(header), counted) end
      recovered = recovered + 1
    end
  end
end

-- The place of the oldest email that is still on the lane's list; +inf when no waiting email is on it.
-- Entries that wait for nobody (canceled emails, plain JSON) are stepped over; after a hundred of them the answer is
-- -inf, "cannot tell", and the caller tries again when workers have taken them away.
local function oldest_listed(lane)
  for back = 1, 100 do
    local entry = redis.call('LINDEX', list_of(lane), -back)
    if not entry then return math.huge end
    local header = #entry == 36 and header_of(entry)
    if header and state_of(header) == QUEUED then return tonumber(when_of(header)) end
  end
  return -math.huge
end

-- A lane's list is first in, first out, and places are counted in that order: what waits at a place below that of the
-- oldest entry on the list has been popped. When it is still not claimed after the grace, whoever popped it died with
-- the id in hand. `popped` remembers since when it is known.
local waits = redis.call('HMGET', WAITING, unpack(LANES))
local relisted, expected = 0, false
for i, lane in ipairs(LANES) do
  if tonumber(waits[i] or 0) > 0 then
    expected = true
    local gone = places_below(lane, oldest_listed(lane), batch)
    -- From the newest to the oldest, so that the oldest ends in front.
    for j = #gone, 1, -1 do
      local id = gone[j].id
      local since = redis.call('ZSCORE', POPPED, id)
      if not since then
        redis.call('ZADD', POPPED, now, id)
      elseif tonumber(since) <= now - grace then
        redis.call('ZREM', POPPED, id)
        redis.call('RPUSH', list_of(lane), id)
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
  redis.call('UNLINK', record_of(id), failure_of(id))
  unindex(id)
  forgotten = forgotten + 1
end

redis.call('ZREMRANGEBYSCORE', WORKERS, '-inf', now - ARGV[5])
count('recovered', recovered + relisted)
count('failed', buried)
if more == 1 then
  redis.call('DEL', SWEEP)
elseif not (expected or listed + recovered > 0) then
  local rest = tonumber(ARGV[6])
  for _, set in ipairs({SENDING, SCHEDULED, FINISHED}) do
    local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
    if first then rest = math.min(rest, first - now) end
  end
  redis.call('PEXPIRE', SWEEP, math.max(turn, rest))
end
return {1, listed, recovered, relisted, buried, forgotten, more}
