-- Resumes lanes: their emails are claimed again.
--
-- KEYS[1]  the queue
-- ARGV[1…] the lanes
-- Reply    for each of LANES since when it is still paused, in ms since 1970, or ''

local other = other_version()
if other then return other end
local pauses = shown_pauses()
for n, lane in ipairs(LANES) do
  for _, named in ipairs(ARGV) do
    if lane == named then pauses[n] = '' end
  end
end
redis.call('HDEL', PAUSED, unpack(ARGV))
return pauses
