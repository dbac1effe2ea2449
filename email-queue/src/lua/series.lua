-- The history of the last hour: samples of the queue's counters, and how long emails took.
--
-- A sample is a text of numbers: when it was taken; how many emails had been accepted, sent, had failed and were delayed; and for
-- each of LANES the last sequence number, from the origin on, and how many emails waited. What happened between two samples is
-- the difference of their numbers, so nothing is written for an email.

-- An hour of samples, ten seconds apart.
local SAMPLES = 370

-- The counters now, as a sample.
local function sample_now()
  local totals = redis.call('HMGET', TOTALS, 'accepted', 'adopted', 'sent', 'failed', 'delayed')
  local numbers = {NOW, string.format('%.0f', (totals[1] or 0) + (totals[2] or 0)), totals[3] or 0, totals[4] or 0, totals[5] or 0}
  local counted = redis.call('HMGET', WAITING, 'high:last', 'high', 'normal:last', 'normal', 'low:last', 'low')
  for i = 1, 6 do numbers[#numbers + 1] = counted[i] or 0 end
  return table.concat(numbers, ' ')
end

-- Adds a sample, unless the last one is younger than so many ms.
local function take_sample(apart)
  local last = redis.call('LINDEX', SERIES, 0)
  local age = now - (tonumber(string.match(last or '', '^%d+')) or 0)
  -- The clock may have been put back.
  if age >= 0 and age < apart then return end
  redis.call('LPUSH', SERIES, sample_now())
  redis.call('LTRIM', SERIES, 0, SAMPLES - 1)
end
