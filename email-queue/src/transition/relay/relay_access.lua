-- Returns whether a worker may send emails to a relay. After the back-off of a held-off relay, one worker may probe it.
-- When a probe begins, the emails that met the failure are requeued: delayed -> queued.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  the relay
-- ARGV[3]  1 if the worker has just started: it may probe before the back-off ends, unless another worker is probing.
--          Else 0
-- ARGV[4]  how many ms the lease to probe lasts unless the worker calls again
-- Reply    {what, ms, class, text, 1 when a sender's emails are held off there, else 0, the learned limit of connections
--          or 0, ids of emails that are to be requeued in other shards, or ''}; what:
--          0 it may
--          1 no: the relay is held off, for so many ms or until another one's probe has ended
--          2 this worker is to probe it with one email

local worker, relay, begun, lease = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local key = relay_of(relay)
local known = redis.call('HMGET', key, 'until', 'probe', 'probe_ends', 'class', 'error', 'senders', 'limit', 'behind')
local senders = tonumber(known[6] or 0) > now and 1 or 0
local limit = tonumber(known[7] or 0)
if not known[1] then return {0, 0, '', '', senders, limit, ''} end
local class, why = known[4] or '', known[5] or ''
local probing = known[2] and tonumber(known[3]) > now
if probing and known[2] ~= worker then return {1, tonumber(known[3]) - now, class, why, senders, limit, ''} end
if not probing and not begun and tonumber(known[1]) > now then
  return {1, tonumber(known[1]) - now, class, why, senders, limit, ''}
end
allow_write_when_full()
redis.call('HSET', key, 'probe', worker, 'probe_ends', text_of(now + lease))
redis.call('PEXPIRE', key, RELAY_REMEMBERED_MS)
local elsewhere = ''
if begun and known[8] then
  -- There may be no other email to probe with.
  redis.call('HDEL', key, 'behind')
  elsewhere = requeue_delayed(known[8])
end
notify_workers(relay, lease)
return {2, lease, class, why, senders, limit, elsewhere}
