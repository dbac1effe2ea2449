-- Renews a worker's lease, and says that the worker is alive.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now
-- ARGV[3]  how often an email may be taken back from a worker before it becomes a dead letter
-- ARGV[4…] per email that the worker knows it has in hand: id, claim in five digits
-- Reply    per email 1, or 0: it is no longer this claim's, nothing was changed for it
--
-- What the worker was given and does not name is taken back a lease after it was claimed: the answer that gave it must
-- have been lost.

write_though_full()
local worker, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZADD', WORKERS, text_of(now + lease), worker)
local held = redis.call('HGETALL', sending_of(worker))
local headers = {}
for i = 1, #held, 2 do headers[held[i]] = held[i + 1] end
local reply = {}
for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  reply[#reply + 1] = is_held(headers[id], ARGV[i + 1]) and 1 or 0
  headers[id] = nil
end
local unknown = {}
for id, header in pairs(headers) do
  if tonumber(when_of(header)) <= now - lease then
    redis.call('HDEL', sending_of(worker), id)
    unknown[#unknown + 1] = {id, header}
  end
end
recover(unknown, tonumber(ARGV[3]))
return reply
