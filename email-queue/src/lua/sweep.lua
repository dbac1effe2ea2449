-- Moves on what nobody holds: lists what is due, requeues what a dead worker held or popped, forgets what is past
-- its retention. Every worker calls it when the key of the sweep has expired; whoever comes first has the turn.
--
-- KEYS[1]  the queue
-- ARGV[1]  length of a turn in ms: how long nobody sweeps after this call
-- ARGV[2]  how many emails at the most for each kind of work, so that Redis is never kept busy for long
-- ARGV[3]  grace in ms: how long an email may be popped and not yet claimed
-- ARGV[4]  how often an email may be taken from a dead worker before it becomes a dead letter
-- ARGV[5]  rest in ms: how long nobody sweeps when nothing is to be expected
-- Reply    {turn: 1 or 0, due and listed, recovered from dead workers, popped and requeued, buried, forgotten,
--           more: 1 when some kind of work was cut off at ARGV[2]; the turn is then open at once}

local sum, waits = waiting()
local expected = sum > 0
-- Both remove something, after which a script may write to a Redis that is full.
if expected then allow_write_when_full() else redis.call('UNLINK', POPPED) end
if not redis.call('SET', SWEEP, '1', 'NX', 'PX', ARGV[1]) then
  if redis.call('PTTL', SWEEP) > 0 then return {0, 0, 0, 0, 0, 0, 0} end
  -- Written by hand: it would be in the way for ever.
  redis.call('SET', SWEEP, '1', 'PX', ARGV[1])
end
local turn, batch, grace, max_recoveries = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local rest, more = tonumber(ARGV[5]), 0

-- Up to `max` members of a set whose time has come. Of the others, the first bounds the rest.
local function due(set, max)
  local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if not first then return {} end
  if tonumber(first) > now then
    rest = math.min(rest, first - now)
    return {}
  end
  local members = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, max)
  -- What comes after these may be due soon.
  rest = 0
  if #members == max then more = 1 end
  return members
end

local listed = 0
for _, id in ipairs(due(SCHEDULED, batch)) do
  local header = header_of(id)
  if not header then
    dead_letter_unreadable(id)
  elseif state_of(header) == SCHEDULED_STATE or state_of(header) == DELAYED then
    list_last(id, lane_of(header))
    listed = listed + 1
  end
  -- Last, so that it is done another time where something above fails.
  redis.call('ZREM', SCHEDULED, id)
end

-- A worker whose lease is over is dead, or as good as dead. Unless none could reach Redis to renew its lease: then all have
-- the time to come back.
local abandoned, taken = {}, {}
local expired = due(WORKERS, batch)
if expired[1] then
  local all_back = all_back_at()
  if all_back > now then
    expired = {}
    rest = math.min(rest, all_back - now)
  end
end
for _, worker in ipairs(expired) do
  local held = redis.call('HGETALL', sending_of(worker))
  local ids = {}
  for i = 1, #held, 2 do
    if #abandoned == batch then
      more = 1
      break
    end
    ids[#ids + 1] = held[i]
    abandoned[#abandoned + 1] = held[i]
  end
  taken[#taken + 1] = {worker, ids, 2 * #ids == #held}
end
local recovered, buried = recover(abandoned, max_recoveries)
for _, those in ipairs(taken) do
  local worker, ids, all = unpack(those)
  call_with('HDEL', sending_of(worker), ids)
  if all then redis.call('ZREM', WORKERS, worker) end
end

-- The place of the oldest email that is still on the lane's list; +inf when no waiting email is on it.
-- Entries that wait for nobody (canceled emails, plain JSON) are stepped over; after a hundred of them, or a megabyte, the
-- answer is -inf, "cannot tell", and the caller tries again when workers have taken them away. So it is where the list is
-- none.
local function oldest_listed(lane)
  local bytes = 0
  for back = 1, 100 do
    local entry = redis.pcall('LINDEX', list_of(lane), -back)
    if not entry then return math.huge end
    if type(entry) ~= 'string' then return -math.huge end
    bytes = bytes + #entry
    if bytes > 1024 * 1024 then return -math.huge end
    local header = #entry == 36 and header_of(entry)
    if header and state_of(header) == QUEUED then return tonumber(when_of(header)) end
  end
  return -math.huge
end

-- A lane's list is first in, first out, and places are counted in that order: what waits at a place below that of the
-- oldest entry on the list has been popped. When it is still not claimed after the grace, whoever popped it died with
-- the id in flight. `popped` remembers since when it is known.
local relisted = 0
for i, lane in ipairs(LANES) do
  if waits[i] > 0 then
    local gone = places_below(lane, oldest_listed(lane), batch)
    -- From the newest to the oldest, so that the oldest ends in front.
    for j = #gone, 1, -1 do
      local id = gone[j].id
      local since = redis.call('ZSCORE', POPPED, id)
      if not since then
        redis.call('ZADD', POPPED, now, id)
      elseif tonumber(since) <= now - grace then
        redis.call('ZREM', POPPED, id)
        local header = header_of(id)
        if header and state_of(header) == QUEUED and lane_of(header) == lane then
          redis.call('RPUSH', list_of(lane), id)
          relisted = relisted + 1
        else
          -- Its place is all that is left of it.
          leave_one(lane, text_of(gone[j].place))
          dead_letter_unreadable(id)
        end
      end
    end
  end
end
if expected then
  -- What was claimed in time is of no interest any more. The second grace lets a relisting above come first.
  redis.call('ZREMRANGEBYSCORE', POPPED, '-inf', '(' .. (now - 2 * grace - 1000))
end

local forgotten, freed = 0, 0
local recounts = redis.call('HEXISTS', WAITING, 'recount') == 1
for _, set in ipairs({FINISHED, EMPTIED}) do
  -- Each member is up to a hundred emails.
  for _, those in ipairs(due(set, math.ceil(batch / 20))) do
    if forgotten >= batch then
      more = 1
      break
    end
    redis.call('ZREM', set, those)
    local ids, keys = {}, {}
    for id in string.gmatch(those, '%S+') do
      ids[#ids + 1] = id
      keys[2 * #ids - 1], keys[2 * #ids] = record_of(id), failure_of(id)
      local size = size_of(id)
      if size == 0 then count_anew() end
      if recounts then grow_recount(id, -size) end
      freed = freed + size
    end
    redis.call('UNLINK', unpack(keys))
    unindex(ids)
    forgotten = forgotten + #ids
  end
end
shrink_all(freed)
if count_again(math.ceil(batch / 2)) then rest = 0 end

count('recovered', relisted)
if more == 1 then
  redis.call('DEL', SWEEP)
elseif not (expected or listed + recovered > 0) then
  redis.call('PEXPIRE', SWEEP, math.max(turn, rest))
end
return {1, listed, recovered, relisted, buried, forgotten, more}
