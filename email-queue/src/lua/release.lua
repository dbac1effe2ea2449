-- Gives back what a stopping worker has claimed and not begun, to the front of its lane in the order it was claimed,
-- and takes the worker off the list of live ones. sending -> queued; no attempt is counted.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2…] per email, in the order of claiming: id, claim
-- Reply    {how many were given back}; one that is no longer this claim's is left alone

redis.call('ZREM', WORKERS, ARGV[1])
local released = 0
-- The last one first, so that the first one ends in front.
for i = #ARGV - 1, 2, -2 do
  local id, record = ARGV[i], record_of(ARGV[i])
  local fields = redis.call('HMGET', record, 'state', 'claims', 'lane')
  if fields[1] == 'sending' and fields[2] == ARGV[i + 1] then
    redis.call('ZREM', SENDING, id)
    redis.call('HDEL', record, 'worker')
    list_first(id, fields[3])
    released = released + 1
  end
end
return {released}
