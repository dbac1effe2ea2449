-- Requeues emails that a stopping worker has claimed and not begun, at the front of their lane in order of claiming.
-- Removes the worker's lease, unless it leaves emails to expire with it. sending -> queued; counts no attempt.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2…] per email, in the order of claiming: id, claim in five digits
-- Reply    {how many were released}; one that is no longer this claim's is left alone

local worker = ARGV[1]
local ids, claims = claims_from(2)
local headers = headers_in_flight(worker, ids)
local ours = {}
for i, id in ipairs(ids) do
  if is_in_flight(headers[i], claims[i]) then ours[#ours + 1] = id end
end
-- Removed from the worker last: after a failure before this, maintenance repeats it when the lease expires.
local released = release(ours)
call_with('HDEL', sending_of(worker), ours)
if redis.call('EXISTS', sending_of(worker)) == 0 then
  redis.call('ZREM', WORKERS, worker)
  redis.call('UNLINK', worker_of(worker))
end
return {released}
