-- The beginning of every script: key names and the clock. build.rs omits what a script does not use.
--
-- KEYS[1] is the queue's name, and the list of its normal lane. All other keys begin with it, so that on Redis Cluster
-- a queue named `{emails}` has them all in one slot. keys.rs says what each key holds.

local queue = KEYS[1]

local LANES = {'high', 'normal', 'low'}

local time = redis.call('TIME')

-- Redis' clock, in ms since 1970, independent of the clocks of API and workers. NOW is the same as text. Numbers that
-- go to Redis per email are kept as text, because formatting numbers is a large part of a script's cost.
local NOW = time[1] .. string.format('%03d', math.floor(time[2] / 1000))

local now = tonumber(NOW)

-- Always thirteen digits, the width of its column in a record.
local function text_of(ms) return string.format('%013.0f', math.max(0, math.min(ms, 9999999999999))) end

local WAITING = queue .. ':waiting'

local SCHEDULED = queue .. ':scheduled'

local FINISHED = queue .. ':finished'

local EMPTIED = queue .. ':emptied'

local FAILED = queue .. ':failed'

local INDEX = queue .. ':index'

local POPPED = queue .. ':popped'

local TOTALS = queue .. ':totals'

local PAUSED = queue .. ':paused'

local WORKERS = queue .. ':workers'

local ALIVE = queue .. ':alive'

-- The lock of maintenance; the key has an older name.
local LOCK = queue .. ':sweep'

local SECRET = queue .. ':secret'

local HELD_OFF = queue .. ':held'

local VERSION = queue .. ':version'

local SERIES = queue .. ':series'

local LATENCIES = queue .. ':latencies'

local function relay_of(relay) return queue .. ':relay:' .. relay end

local function sender_of(sender) return queue .. ':sender:' .. sender end

local function idempotency_of(key) return queue .. ':idempotency:' .. key end

local function record_of(id) return queue .. ':email:' .. id end

local function failure_of(id) return queue .. ':failure:' .. id end

local function timeline_of(id) return queue .. ':timeline:' .. id end

-- What a worker has in flight.
local function sending_of(worker) return queue .. ':sending:' .. worker end

-- What a worker was started with.
local function worker_of(worker) return queue .. ':worker:' .. worker end

local function chunks_of(lane) return WAITING .. ':' .. lane end

local function chunk_key(lane, chunk) return WAITING .. ':' .. lane .. ':' .. chunk end

-- One of the lists of the index, by the first id that it was made for.
local function ids_from(id) return INDEX .. ':' .. id end

local function rate_of(client) return queue .. ':rate:' .. client end

local function import_of(worker) return queue .. ':import:' .. worker end

local function list_of(lane)
  if lane == 'normal' then return queue end
  return queue .. ':' .. lane
end

local function count(what, by)
  if by > 0 then redis.call('HINCRBY', TOTALS, what, by) end
end

-- The version of the keys and fields that these scripts read and write.
local KNOWN_VERSION = '1'

-- The version of a queue that has none: it is older than versions.
local FIRST_VERSION = '1'

-- The error reply for a queue of another version, or nil. For scripts of the API, which does not check at start as a
-- worker does.
local function other_version()
  local version = redis.call('GET', VERSION) or FIRST_VERSION
  if version ~= KNOWN_VERSION then
    return {err = 'QUEUEVERSION this queue is of version ' .. string.sub(version, 1, 20) .. ', not ' .. KNOWN_VERSION}
  end
end

-- At maxmemory Redis refuses all commands that may need memory, except in a script that has already written.
-- Transitions that complete emails, and so free memory, begin with this deletion of nothing, unless they delete
-- something first anyway.
local function allow_write_when_full() redis.call('ZREM', POPPED, '') end

-- A write without effect, which Redis refuses when it refuses commands that need memory.
local function try_to_write() return redis.pcall('SETRANGE', LOCK, '0', '') end

-- Fails the script unless the error is WRONGTYPE: an error such as NOPERM does not show what the key holds.
local function only_wrong_type(answer) -- lazy
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'WRONGTYPE', 1, true) then error(answer.err, 0) end
end

-- Runs a command with many arguments, a thousand per call, because Lua's stack is limited.
local function call_with(command, key, arguments)
  for i = 1, #arguments, 1000 do
    redis.call(command, key, unpack(arguments, i, math.min(i + 999, #arguments)))
  end
end

-- Maintenance is due in so many ms: the lock expires by then. A lock without expiry was set by hand, and is given one.
local function maintain_within(ms)
  local left = redis.call('PTTL', LOCK)
  if left > ms or left == -1 then redis.call('PEXPIRE', LOCK, math.max(1, ms)) end
end
