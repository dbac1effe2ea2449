-- Takes back what workers hold whose lease is over: sending -> queued, or failed from a number of times on.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many emails at the most
-- ARGV[2]  how often an email may be taken from a dead worker before it becomes a dead letter
-- Reply    {how many were requeued, how many became dead letters, 1 when there may be more to do at once, else 0}

allow_write_when_full()
local batch = tonumber(ARGV[1])
local expired, more = due(WORKERS, batch)
-- A worker whose lease is over is dead, or as good as dead. Unless none could reach Redis to renew its lease: then all have
-- the time to come back.
if expired[1] and all_back_at() > now then expired = {} end
local abandoned, taken = {}, {}
for _, worker in ipairs(expired) do
  local held = redis.call('HGETALL', sending_of(worker))
  local ids = {}
  for i = 1, #held, 2 do
    if #abandoned == batch then
      more = 1
      break
    end
    ids[#ids + 1] = held[i]
    abandoned[#abandoned + 1] = held[i]
  end
  taken[#taken + 1] = {worker, ids, 2 * #ids == #held}
end
local requeued, dead_lettered = recover(abandoned, tonumber(ARGV[2]))
for _, those in ipairs(taken) do
  local worker, ids, all = unpack(those)
  call_with('HDEL', sending_of(worker), ids)
  if all then redis.call('ZREM', WORKERS, worker) end
end
return {requeued, dead_lettered, more}
