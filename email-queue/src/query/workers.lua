-- Returns the workers, and what they have in flight. Read-only, and bounded: at most 200 workers and 5000 emails are looked at.
--
-- KEYS[1]  the queue
-- Reply    per worker: its id, the end of its lease, how many emails it has in flight, how many of those follow; per such email,
--          those in flight for longest, its id and since when; how many fields follow of what it was started with; each with
--          its value
-- Times are in ms since 1970.

local other = other_version()
if other then return other end
local MAX_WORKERS, MAX_EMAILS, SHOWN = 200, 5000, 20

local reply = {}
local budget = MAX_EMAILS
local workers = redis.call('ZRANGE', WORKERS, 0, MAX_WORKERS - 1, 'WITHSCORES')
for i = 1, #workers, 2 do
  local worker = workers[i]
  local count = redis.call('HLEN', sending_of(worker))
  local emails = {}
  if count > 0 and budget > 0 then
    local fields = redis.call('HSCAN', sending_of(worker), '0', 'COUNT', math.min(500, budget))[2]
    for n = 1, #fields, 2 do
      budget = budget - 1
      -- The header as it was at the claim.
      if is_id(fields[n]) and is_header(fields[n + 1]) then emails[#emails + 1] = {when_of(fields[n + 1]), fields[n]} end
    end
    table.sort(emails, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  end
  local shown = math.min(SHOWN, #emails)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = worker, string.format('%.0f', workers[i + 1]), count, shown
  for e = 1, shown do reply[#reply + 1], reply[#reply + 2] = emails[e][2], emails[e][1] end
  local with = redis.call('HGETALL', worker_of(worker))
  reply[#reply + 1] = #with / 2
  for _, value in ipairs(with) do reply[#reply + 1] = value end
end
return reply
