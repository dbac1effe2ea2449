-- Pauses lanes: no email of theirs is claimed any more. What is in flight is delivered, and emails are accepted as before.
--
-- KEYS[1]  the queue
-- ARGV[1…] the lanes
-- Reply    for each of LANES since when it is paused, in ms since 1970, or ''
-- A lane that is paused already keeps its time.

local other = other_version()
if other then return other end
allow_write_when_full()
local pauses, fields = shown_pauses(), {}
for n, lane in ipairs(LANES) do
  for _, named in ipairs(ARGV) do
    if lane == named and pauses[n] == '' then
      pauses[n] = NOW
      fields[#fields + 1], fields[#fields + 2] = lane, NOW
    end
  end
end
if fields[1] then redis.call('HSET', PAUSED, unpack(fields)) end
return pauses
