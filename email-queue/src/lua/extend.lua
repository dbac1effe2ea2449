-- Renews the leases of what a worker has in hand, and says that the worker is alive.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now
-- ARGV[3…] per email: id, claim
-- Reply    per email 1, or 0: it is no longer this claim's, nothing was changed for it

write_though_full()
redis.call('ZADD', WORKERS, now, ARGV[1])
local reply = {}
for i = 3, #ARGV, 2 do
  local fields = redis.call('HMGET', record_of(ARGV[i]), 'state', 'claims')
  local ours = fields[1] == 'sending' and fields[2] == ARGV[i + 1]
  if ours then redis.call('ZADD', SENDING, now + ARGV[2], ARGV[i]) end
  reply[#reply + 1] = ours and 1 or 0
end
return reply
