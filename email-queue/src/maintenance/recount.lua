-- Recounts the bytes of some records, once a day and when the count is known to be wrong.
--
-- KEYS[1]  the queue
-- ARGV[1]  about how many records at the most
-- Reply    {}

-- A full recount is due after this time.
local COUNTED_ANEW_MS = 24 * 60 * 60 * 1000

allow_write_when_full()
local max = tonumber(ARGV[1])
local known = redis.call('HMGET', WAITING, 'recount', 'recount:to', 'counted')
local cursor, last = known[1], known[2]
if not cursor then
  if known[3] and now - known[3] < COUNTED_ANEW_MS then return {} end
  cursor, last = '0', ids_beyond('', '')[1] or '0'
  redis.call('HSET', WAITING, 'recount:to', last, 'recount:sum', '0')
end
local counted, sum = 0, 0
while cursor < last and counted < max do
  local ids = ids_beyond(cursor, 'before')
  if not ids[1] then cursor = last end
  for _, id in ipairs(ids) do
    if id > last then
      cursor = last
      break
    end
    cursor, counted, sum = id, counted + 1, sum + size_of(id)
  end
end
sum = redis.call('HINCRBY', WAITING, 'recount:sum', string.format('%.0f', sum))
if cursor < last then
  redis.call('HSET', WAITING, 'recount', cursor)
else
  redis.call('HSET', WAITING, 'bytes', sum, 'counted', NOW)
  redis.call('HDEL', WAITING, 'recount', 'recount:to', 'recount:sum')
end
return {}
