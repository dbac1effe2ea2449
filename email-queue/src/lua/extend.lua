-- Renews the leases of what a worker has in hand, and says that the worker is alive.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now
-- ARGV[3…] per email: id, claim
-- Reply    per email 1, or 0: it is no longer this claim's, nothing was changed for it

write_though_full()
redis.call('ZADD', WORKERS, NOW, ARGV[1])
local reply, leases, lease_ends = {}, {}, text_of(now + ARGV[2])
for i = 3, #ARGV, 2 do
  local header = header_of(ARGV[i])
  local ours = is_held(header, ARGV[i + 1])
  if ours then leases[#leases + 1], leases[#leases + 2] = lease_ends, ARGV[i] end
  reply[#reply + 1] = ours and 1 or 0
end
call_with('ZADD', SENDING, leases)
return reply
