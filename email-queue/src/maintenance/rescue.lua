-- Requeues emails of workers whose lease has expired: sending -> queued, or failed after too many times.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many emails at the most
-- ARGV[2]  how often an email may be taken from a dead worker before it becomes a dead letter
-- Reply    {how many were requeued, how many became dead letters, 1 when there may be more to do at once, else 0}

allow_write_when_full()
local batch = tonumber(ARGV[1])
local expired, more = due(WORKERS, batch)
-- A worker whose lease has expired counts as dead. If no worker could reach Redis to renew, all get time to return.
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
