-- Renews a worker's lease (heartbeat).
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now
-- ARGV[3]  for how many ms the answer to a claim may be on its way
-- ARGV[4…] per email that the worker has in flight: id, claim in five digits
-- Reply    now, in ms since 1970; 1 if what the worker was started with is stored, and is kept as long, else 0; per email 1, or 0: it is no longer this claim's, nothing was changed for it
--
-- Requeues emails that were claimed longer ago than that and are not listed: the reply to their claim must have been
-- lost.

allow_write_when_full()
local worker, lease, on_its_way = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
renewal_deadline(lease)
redis.call('ZADD', WORKERS, text_of(now + lease), worker)
local in_flight = redis.call('HGETALL', sending_of(worker))
local headers = {}
for i = 1, #in_flight, 2 do headers[in_flight[i]] = in_flight[i + 1] end
local reply = {now, redis.call('PEXPIRE', worker_of(worker), lease)}
local ids, claims = claims_from(4)
for i, id in ipairs(ids) do
  reply[i + 2] = is_in_flight(headers[id], claims[i]) and 1 or 0
  headers[id] = nil
end
local unknown = {}
for id, header in pairs(headers) do
  if not is_header(header) or tonumber(when_of(header)) <= now - on_its_way then
    unknown[#unknown + 1] = id
  end
end
table.sort(unknown)
release(unknown)
call_with('HDEL', sending_of(worker), unknown)
return reply
