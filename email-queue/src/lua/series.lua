-- The history of the last hour: samples of the queue's counters, and how long emails took.
--
-- A sample is a text of numbers: when it was taken; how many emails had been accepted, sent, had failed and were delayed; and for
-- each of LANES the last sequence number, from the origin on, and how many emails waited. What happened between two samples is
-- the difference of their numbers, so nothing is written for an email.

-- An hour of samples, ten seconds apart.
local SAMPLES = 370

local SAMPLES_APART_MS = 10000

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

-- When the newest sample was taken in which the last sequence number of the nth of LANES was below this one: the email that has it was
-- put into the lane after that. nil when there is none.
local function time_before(nth, place)
  local length, found = redis.pcall('LLEN', SERIES), nil
  local from, to = 0, type(length) == 'number' and length or 0
  while from < to do
    local middle = math.floor((from + to) / 2)
    local sample, numbers = redis.pcall('LINDEX', SERIES, middle), {}
    for number in string.gmatch(type(sample) == 'string' and sample or '', '%d+') do numbers[#numbers + 1] = number end
    local last = tonumber(numbers[4 + 2 * nth] or '')
    if last and last < place then
      to, found = middle, numbers[1]
    else
      from = middle + 1
    end
  end
  return found
end
