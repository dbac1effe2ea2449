-- Releases the lock of maintenance, or keeps it until something is due.
--
-- KEYS[1]  the queue
-- ARGV[1]  1 when some of the work was cut off at its limit, else 0: the lock opens at once
-- ARGV[2]  1 when some emails were pushed to their lists or taken from dead workers, else 0: the lock stays as it is
-- ARGV[3]  for how many ms it stays closed at the least where nothing waits,
-- ARGV[4]  and at the most
-- Reply    {}

local more, moved, least, most = unpack(ARGV)
if more == '1' then
  redis.call('DEL', LOCK)
elseif moved == '0' and waiting() == 0 then
  local next_due = tonumber(most)
  for _, set in ipairs({SCHEDULED, WORKERS, FINISHED, EMPTIED}) do
    local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
    if first then next_due = math.min(next_due, first - now) end
  end
  if redis.call('HEXISTS', WAITING, 'recount') == 1 then next_due = 0 end
  redis.call('PEXPIRE', LOCK, string.format('%.0f', math.max(least, next_due)))
end
return {}
