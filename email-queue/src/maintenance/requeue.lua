-- Requeues emails that were popped and never claimed: queued -> queued, in front.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many of each lane at the most
-- ARGV[2]  grace in ms: how long an email may be popped and not yet claimed
-- Reply    {how many were requeued}
--
-- A lane's list is first in, first out, and sequence numbers are assigned in that order: an email with a lower number
-- than the oldest entry on the list has been popped. If it is still not claimed after the grace, the worker that popped
-- it is dead. `popped` has the time when this was first seen.

local sum, waits = waiting()
if sum == 0 then return {0} end
allow_write_when_full()
local batch, grace = tonumber(ARGV[1]), tonumber(ARGV[2])

-- The sequence number of the oldest waiting email on the lane's list; +inf if there is none. Skips entries without a
-- waiting email (canceled ones, plain JSON). After a hundred of them, or a megabyte, returns -inf for "unknown", and
-- the caller tries again when workers have removed them. Also -inf if the key is not a list.
local function oldest_entry(lane)
  local bytes = 0
  for back = 1, 100 do
    local entry = redis.pcall('LINDEX', list_of(lane), -back)
    if not entry then return math.huge end
    if type(entry) ~= 'string' then return -math.huge end
    bytes = bytes + #entry
    if bytes > 1024 * 1024 then return -math.huge end
    local header = #entry == 36 and header_of(entry)
    if header and state_of(header) == QUEUED and lane_of(header) == lane then return tonumber(when_of(header)) end
  end
  return -math.huge
end

local requeued = 0
for i, lane in ipairs(LANES) do
  local gone = waits[i] > 0 and sequences_below(lane, oldest_entry(lane), batch) or {}
  -- From the newest to the oldest, so that the oldest ends in front.
  for j = #gone, 1, -1 do
    local id = gone[j].id
    local since = redis.call('ZSCORE', POPPED, id)
    if not since then
      redis.call('ZADD', POPPED, now, id)
    elseif tonumber(since) <= now - grace then
      redis.call('ZREM', POPPED, id)
      local header = header_of(id)
      if header and state_of(header) == QUEUED and lane_of(header) == lane then
        redis.call('RPUSH', list_of(lane), id)
        requeued = requeued + 1
      else
        -- Only its entry here remains.
        leave_one(lane, text_of(gone[j].sequence))
        dead_letter_unreadable(id)
      end
    end
  end
end
-- Removes emails that were claimed in time. Twice the grace, so that a requeue above comes first.
redis.call('ZREMRANGEBYSCORE', POPPED, '-inf', '(' .. (now - 2 * grace - 1000))
count('recovered', requeued)
return {requeued}
