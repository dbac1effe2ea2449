-- Takes the lock of maintenance. While its key exists, a worker has it or nothing is due.
--
-- KEYS[1]  the queue
-- ARGV[1]  for how many ms
-- Reply    {1, or 0 when it is taken}

-- Both remove something, after which a script may write to a Redis that is full.
if waiting() > 0 then allow_write_when_full() else redis.call('UNLINK', POPPED) end
if not redis.call('SET', LOCK, '1', 'NX', 'PX', ARGV[1]) then
  if redis.call('PTTL', LOCK) > 0 then return {0} end
  -- A lock without expiry was set by hand, and would never expire.
  redis.call('SET', LOCK, '1', 'PX', ARGV[1])
end
return {1}
