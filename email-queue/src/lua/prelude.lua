-- Begins every script: the names of the keys, and the moves that several transitions share.
--
-- KEYS[1] is the queue's name, and the list of its normal lane. All other keys begin with it, so that on Redis Cluster
-- a queue named `{emails}` has them all in one slot. keys.rs says what each key holds.

local queue = KEYS[1]
local LANES = {'high', 'normal', 'low'}

local time = redis.call('TIME')
-- One clock for everybody, in ms since 1970, whatever the time is where the API or a worker runs.
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local SENDING = queue .. ':sending'
local SCHEDULED = queue .. ':scheduled'
local FINISHED = queue .. ':finished'
local FAILED = queue .. ':failed'
local INDEX = queue .. ':index'
local POPPED = queue .. ':popped'
local TOTALS = queue .. ':totals'
local WORKERS = queue .. ':workers'
local SWEEP = queue .. ':sweep'
local SECRET = queue .. ':secret'

local function idempotency_of(key) return queue .. ':idempotency:' .. key end
local function record_of(id) return queue .. ':email:' .. id end
local function waiting_in(lane) return queue .. ':waiting:' .. lane end
local function list_of(lane)
  if lane == 'normal' then return queue end
  return queue .. ':' .. lane
end

local function count(what, by)
  if by > 0 then redis.call('HINCRBY', TOTALS, what, by) end
end

-- A Redis that is full (maxmemory) refuses all commands that may need memory, except from a script that has written
-- already. The transitions that lead to the end of an email, and so to free memory, begin with this removal of nothing;
-- those that remove something first do not need it.
local function write_though_full() redis.call('ZREM', POPPED, '') end

-- Puts an email behind all others of its lane. The caller has taken it out of the set that it was in.
local function list_last(id, lane)
  -- First what fails if some other program has put something else than a list there: nothing is written then.
  redis.call('LPUSH', list_of(lane), id)
  redis.call('ZADD', waiting_in(lane), now, id)
  redis.call('HSET', record_of(id), 'state', 'queued')
end

-- Puts an email before all others of its lane: it has waited longest. It shares the lowest score, so that the scores
-- stay in the order of the list.
local function list_first(id, lane)
  local lowest = redis.call('ZRANGE', waiting_in(lane), 0, 0, 'WITHSCORES')
  redis.call('HSET', record_of(id), 'state', 'queued')
  redis.call('RPUSH', list_of(lane), id)
  redis.call('ZADD', waiting_in(lane), lowest[2] or now, id)
end

-- Makes an email a dead letter, kept until a person retries or discards it.
local function bury(id, why)
  redis.call('HSET', record_of(id), 'state', 'failed', 'error', why, 'finished', now)
  redis.call('HDEL', record_of(id), 'worker', 'due')
  redis.call('ZADD', FAILED, now, id)
end
