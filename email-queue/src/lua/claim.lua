-- Takes emails from the lanes, high before normal before low, for one worker to send under a lease.
-- queued -> sending. An entry whose email is not queued (canceled, claimed already) is dropped: the list may hold
-- an id twice, the record decides.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms
-- ARGV[3]  how many at the most
-- ARGV[4]  how many bytes of JSON at the most; the first email is given whatever its size
-- ARGV[5]  list and
-- ARGV[6]  entry that BRPOP just returned, claimed before any other; both '' for none
-- Reply    per email: id, claim, recipients already served as a JSON array or '', its record as it was before
--
-- `claim` counts how often the email was claimed. Whoever reports its outcome must name it: it tells a worker whose
-- lease was taken over from the one that took it.
-- An entry that is no id was pushed by some other program with a plain LPUSH. It gets a record here, and is from now
-- on as safe as any other email. Whether it can be read as an email is for the worker to find out.

local worker, lease_ends = ARGV[1], text_of(now + ARGV[2])
local max, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, claimed, bytes = {}, 0, 0
local places, leases, holders = {}, {}, {}
-- No API accepts more; a worker that read it would only risk its memory.
local LARGEST = 40 * 1024 * 1024

local function is_id(entry)
  return #entry == 36 and string.find(entry, '^%x+%-%x+%-%x+%-%x+%-%x+$')
end

-- A UUID v7 (RFC 9562 5.7) with a fraction of the millisecond behind the time, as the API makes them. The rest is a hash:
-- a script has no source of randomness.
local function new_id(entry)
  local nth = redis.call('HINCRBY', TOTALS, 'adopted', 1)
  local hash = redis.sha1hex(time[1] .. ' ' .. time[2] .. ' ' .. nth .. ' ' .. entry)
  local ms, fraction = string.format('%012x', now), string.format('%03x', math.floor(time[2] % 1000 * 4.096))
  local variant = string.format('%x', 8 + tonumber(string.sub(hash, 1, 1), 16) % 4)
  return string.sub(ms, 1, 8) .. '-' .. string.sub(ms, 9, 12) .. '-7' .. fraction .. '-'
    .. variant .. string.sub(hash, 2, 4) .. '-' .. string.sub(hash, 5, 16)
end

-- Gives a record to an entry of some other program, and returns its id and the record; nil when it is buried at once.
local function adopt(entry, lane)
  local id = new_id(entry)
  local record = create(id, QUEUED, text_of(0), lane, '', entry)
  index({id})
  if #entry <= LARGEST then return id, record end
  bury(id, 'larger than 40 MiB')
  count('failed', 1)
end

local function take(entry, lane)
  local id, record = entry, #entry == 36 and redis.call('GET', record_of(entry))
  if record then
    if state_of(record) ~= QUEUED then return end
    local its_lane = lane_of(record)
    local places_of_lane = places[its_lane]
    if not places_of_lane then
      places_of_lane = {}
      places[its_lane] = places_of_lane
    end
    places_of_lane[#places_of_lane + 1] = when_of(record)
  elseif not is_id(entry) then
    id, record = adopt(entry, lane)
  end
  if not record then return end
  local claim, attempts, counted = 1, 0, CLAIMED_ONCE
  if counters_of(record) ~= NEW then
    claim, attempts = (claims_of(record) + 1) % 100000, attempts_of(record)
    counted = counters(claim, attempts, recovered_of(record))
  end
  move(id, SENDING_STATE, NOW, counted)
  claimed, bytes = claimed + 1, bytes + #record - string.find(record, '\n', 50, true)
  local n = 2 * claimed
  leases[n - 1], leases[n], holders[n - 1], holders[n] = lease_ends, id, id, worker
  n = #reply
  reply[n + 1], reply[n + 2] = id, claim
  reply[n + 3] = attempts > 0 and redis.call('HGET', failure_of(id), 'accepted') or ''
  reply[n + 4] = record
end

write_though_full()
if ARGV[6] ~= '' then
  local from = 'normal'
  for _, lane in ipairs(LANES) do
    if list_of(lane) == ARGV[5] then from = lane end
  end
  take(ARGV[6], from)
end

-- Bounds how long Redis is kept busy where the list holds nothing but dropped entries; BRPOP then leads on.
local looks = max + 1000
for _, lane in ipairs(LANES) do
  local list, at_once = list_of(lane), 1
  while claimed < max and bytes < max_bytes and looks > 0 do
    local entries = redis.call('RPOP', list, math.min(at_once, max - claimed, looks))
    if not entries then break end
    looks = looks - #entries
    -- Ids are small; what other programs push may be large, and is taken one by one.
    at_once = is_id(entries[#entries]) and 100 or 1
    for i, entry in ipairs(entries) do
      if bytes >= max_bytes then
        for j = #entries, i, -1 do redis.call('RPUSH', list, entries[j]) end
        break
      end
      take(entry, lane)
    end
  end
end
if claimed > 0 then
  leave(places)
  call_with('ZADD', SENDING, leases)
  call_with('HSET', HOLDERS, holders)
  sweep_within(tonumber(ARGV[2]))
end
return reply
