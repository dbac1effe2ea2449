-- How many bytes the records of all emails have together: the field `bytes` of WAITING. Every script that changes the
-- length of a record says so, and so the number is exact.
--
-- It is wrong where somebody else has touched a record, or a version that does not count. So all records are counted anew
-- now and then, a part at a time by maintenance, in the order of their ids: up to `recount` they have been, as far as
-- `recount:to` they are to be, and those have `recount:sum` bytes. What comes, grows or goes meanwhile counts for both.

-- The length of a record. 0 when there is none.
local function size_of(id)
  local size = redis.pcall('STRLEN', record_of(id))
  return type(size) == 'number' and size or 0
end

-- Has all records counted anew from the next maintenance on.
local function count_anew() redis.call('HDEL', WAITING, 'counted') end -- lazy

-- Tells the recount, if there is one, that a record has grown by so many bytes.
local function grow_recount(id, by) -- lazy
  local recount = redis.call('HMGET', WAITING, 'recount', 'recount:to')
  if recount[1] and (id <= recount[1] or id > recount[2]) then redis.call('HINCRBY', WAITING, 'recount:sum', by) end
end

-- Notes that records have become shorter by so many bytes in all. The recount is told by the caller.
local function shrink_all(by)
  if by > 0 and redis.call('HINCRBY', WAITING, 'bytes', string.format('%.0f', -by)) < 0 then
    redis.call('HSET', WAITING, 'bytes', '0')
    count_anew()
  end
end
