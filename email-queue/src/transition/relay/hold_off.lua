-- Holds off from a failing relay: no worker sends to it until the back-off is over, then one worker probes it with one
-- email. Of many failures at once only the first counts.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  the relay
-- ARGV[3]  its name, for people
-- ARGV[4]  the email whose delivery met the failure
-- ARGV[5]  how many ms ago that delivery began
-- ARGV[6]  how many ms ago the relay took a decision on another email of this worker; '' for never
-- ARGV[7]  class and
-- ARGV[8]  text of the failure
-- ARGV[9]  the first and
-- ARGV[10] the longest back-off in ms
-- ARGV[11] 1 if the email is in another shard, else 0
-- Reply    {what, ms until the relay may be probed}; what:
--          1 this failure is why all hold off now
--          0 it is known already, or the relay was well after that delivery began: nothing was changed
--          2 it is the email's own: it has met such a failure three times while others passed. Nothing else was changed

-- In the order in which hold_off.rs writes them.
local worker, relay, name, id, age, passed, class, why, base, longest, elsewhere = unpack(ARGV)
age, passed, base, longest = tonumber(age), tonumber(passed), tonumber(base), tonumber(longest)
local key = relay_of(relay)
local known = redis.call('HMGET', key, 'until', 'failures', 'probe', 'cleared', 'behind')
local probes = known[3] == worker
if known[1] and not probes then return {0, math.max(0, tonumber(known[1]) - now)} end
if not known[1] and tonumber(known[4] or 0) > now - age then return {0, 0} end

allow_write_when_full()
-- A failure counts against the email only when another one passed since the last. From the third on it is its own.
-- Those of an email in another shard are kept here, where no move of the email deletes them.
if elsewhere == '1' or redis.call('EXISTS', record_of(id)) == 1 then
  local failures_of_email = failures_of(id)
  local met = redis.call('HMGET', failures_of_email, 'faults', 'met')
  local faults, last_passed = tonumber(met[1] or 0), math.max(now - (passed or now), tonumber(known[4] or 0))
  local counts = faults == 0 or last_passed > tonumber(met[2])
  if counts then redis.call('HSET', failures_of_email, 'faults', faults + 1, 'met', NOW) end
  if elsewhere == '1' then redis.call('PEXPIRE', failures_of_email, RELAY_REMEMBERED_MS) end
  if counts and faults >= 2 then return {2, 0} end
end

local failures = tonumber(known[2] or 0) + 1
local wait = back_off(failures, base, longest)
redis.call('HSET', key, 'name', name, 'until', text_of(now + wait), 'failures', failures, 'class', class, 'error', why)
-- Emails that met the failure wait slightly longer than the others, and are requeued after a successful probe.
if #(known[5] or '') < 100 * 37 then redis.call('HSET', key, 'behind', (known[5] or '') .. ' ' .. id) end
redis.call('HSETNX', key, 'since', NOW)
redis.call('HDEL', key, 'probe', 'probe_ends')
redis.call('PEXPIRE', key, RELAY_REMEMBERED_MS)
notify_workers(relay, wait + longest)
return {1, wait}
