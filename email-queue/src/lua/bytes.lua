-- The total size of all records: the field `bytes` of WAITING. Every script that changes the length of a record updates
-- it, so it is exact.
--
-- It becomes wrong when something else changes a record, or a version that does not count. So maintenance recounts all
-- records now and then, some at a time, in order of id: ids up to `recount` are done, `recount:to` is the last, and
-- `recount:sum` is the sum so far. Changes meanwhile are applied to both numbers.

-- The length of a record. 0 when there is none.
local function size_of(id)
  local size = redis.pcall('STRLEN', record_of(id))
  return type(size) == 'number' and size or 0
end

-- Requests a recount of all records, from the next maintenance on.
local function request_recount() redis.call('HDEL', WAITING, 'counted') end -- lazy

-- Updates a recount in progress: a record has grown by `by` bytes.
local function grow_recount(id, by) -- lazy
  local recount = redis.call('HMGET', WAITING, 'recount', 'recount:to')
  if recount[1] and (id <= recount[1] or id > recount[2]) then redis.call('HINCRBY', WAITING, 'recount:sum', by) end
end

-- Subtracts bytes that records have lost in all. The caller updates a recount in progress.
local function shrink_all(by)
  if by > 0 and redis.call('HINCRBY', WAITING, 'bytes', string.format('%.0f', -by)) < 0 then
    redis.call('HSET', WAITING, 'bytes', '0')
    request_recount()
  end
end
