-- Adds to the history of the last hour: a sample of the counters, unless the last one is younger, and how long emails took.
--
-- KEYS[1]  the queue
-- ARGV[1]  how far apart samples are, in ms
-- ARGV[2…] per minute: its number since 1970; how many of the emails that were sent in it took how long, as bucket:count pairs,
--          which histogram.rs explains
-- Reply    {}

-- One for each minute of the last hour, and the present one.
local KEPT = 61

allow_write_when_full()
take_sample(tonumber(ARGV[1]))
for i = 2, #ARGV, 2 do
  local minute, added = ARGV[i], ARGV[i + 1]
  local field = string.format('%.0f', minute % KEPT)
  local counts = {}
  local stored = redis.call('HGET', LATENCIES, field) or ''
  -- One of an hour ago is replaced.
  if string.match(stored, '^%d+') ~= minute then stored = '' end
  for _, pairs_of in ipairs({stored, added}) do
    for bucket, many in string.gmatch(pairs_of, '(%d+):(%d+)') do counts[bucket] = (counts[bucket] or 0) + many end
  end
  local summed = {minute}
  for bucket, many in pairs(counts) do summed[#summed + 1] = bucket .. ':' .. string.format('%.0f', many) end
  redis.call('HSET', LATENCIES, field, table.concat(summed, ' '))
end
return {}
