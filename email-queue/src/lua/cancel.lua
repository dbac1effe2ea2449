-- Takes back an email that no worker has claimed. queued | scheduled | delayed -> canceled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  retention in ms: how long the canceled email is kept, where it does not say itself
-- Reply    {1} canceled; {0} there is no such email; {2, state} it is too late: nothing was changed
-- Its entry may stay on the list: a claim drops it.

local id, record = ARGV[1], record_of(ARGV[1])
local fields = redis.call('HMGET', record, 'state', 'lane', 'retention')
local state = fields[1]
if not state then return {0} end
if state == 'queued' then
  redis.call('ZREM', waiting_in(fields[2]), id)
elseif state == 'scheduled' or state == 'delayed' then
  redis.call('ZREM', SCHEDULED, id)
else
  return {2, state}
end
redis.call('HSET', record, 'state', 'canceled', 'finished', now)
redis.call('HDEL', record, 'due')
redis.call('ZADD', FINISHED, now + (tonumber(fields[3]) or ARGV[2]), id)
count('canceled', 1)
return {1}
