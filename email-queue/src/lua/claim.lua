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
-- Reply    per email: id, claim, attempts before this one, when it was accepted in ms since 1970, recipients already
--          served as a JSON array or '', email
--
-- `claim` counts how often the email was claimed. Whoever reports its outcome must name it: it tells a worker whose
-- lease was taken over from the one that took it.
-- An entry that is no id was pushed by some other program with a plain LPUSH. It gets a record here, and is from now
-- on as safe as any other email. Whether it can be read as an email is for the worker to find out.

local worker, lease = ARGV[1], tonumber(ARGV[2])
local max, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4])
local reply, claimed, bytes = {}, 0, 0
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

local function adopt(entry, lane)
  local id = new_id(entry)
  redis.call('HSET', record_of(id), 'email', entry, 'lane', lane, 'created', now, 'state', 'queued')
  redis.call('ZADD', INDEX, 0, id)
  return id
end

local function take(entry, lane)
  local id = entry
  if not is_id(entry) then
    id = adopt(entry, lane)
    if #entry > LARGEST then
      bury(id, 'larger than 40 MiB')
      count('failed', 1)
    end
  end
  local record = record_of(id)
  local fields = redis.call('HMGET', record, 'state', 'lane', 'attempts', 'created', 'accepted', 'email')
  if fields[1] ~= 'queued' then return end
  redis.call('ZREM', waiting_in(fields[2]), id)
  redis.call('ZADD', SENDING, now + lease, id)
  redis.call('HSET', record, 'state', 'sending', 'worker', worker)
  local claim = redis.call('HINCRBY', record, 'claims', 1)
  claimed = claimed + 1
  bytes = bytes + #fields[6]
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = id, claim, tonumber(fields[3] or 0)
  reply[n + 4], reply[n + 5], reply[n + 6] = tonumber(fields[4]), fields[5] or '', fields[6]
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
  while claimed < max and bytes < max_bytes and looks > 0 do
    local entry = redis.call('RPOP', list_of(lane))
    if not entry then break end
    looks = looks - 1
    take(entry, lane)
  end
end
return reply
