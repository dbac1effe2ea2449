-- Which emails wait, and in which order: every email on a lane's list has a place, counted on from the one before.
-- Emails that go to the front count down from the other side.
--
-- Places are kept in hashes of 100, so small that Redis packs them: 45 bytes an email instead of the 140 of a sorted
-- set, and as quick with a million as with ten. A place has 13 digits: the number of the hash and two for the field.

local ORIGIN = 5000000000000

local function chunks_of(lane) return WAITING .. ':' .. lane end

local function chunk_key(lane, chunk) return WAITING .. ':' .. lane .. ':' .. chunk end

local function chunk_of(place) return string.sub(place, 1, 11) end

local function field_of(place) return string.sub(place, 12) end

-- How many emails wait in all lanes, and in each of LANES.
local function waiting()
  local sum, waits = 0, redis.call('HMGET', WAITING, unpack(LANES))
  for i = 1, #LANES do
    waits[i] = tonumber(waits[i] or 0)
    sum = sum + waits[i]
  end
  return sum, waits
end

-- Notes emails at their places in a lane, given as text in order. The hash that counts them is the caller's to see to.
local function place_all(lane, ids, places) -- lazy
  local i = 1
  while i <= #ids do
    local chunk, fields = chunk_of(places[i]), {}
    repeat
      fields[#fields + 1] = field_of(places[i])
      fields[#fields + 1] = ids[i]
      i = i + 1
    until i > #ids or chunk_of(places[i]) ~= chunk
    local key = chunk_key(lane, chunk)
    redis.call('HSET', key, unpack(fields))
    -- Nothing but these: it is new.
    if 2 * redis.call('HLEN', key) == #fields then redis.call('ZADD', chunks_of(lane), chunk, chunk) end
  end
  -- They may be popped by a worker that dies.
  sweep_within(1000)
end

-- The same for one email, without the lists that are a good part of what that costs.
local function place_one(lane, id, its_place)
  local chunk = chunk_of(its_place)
  local key = chunk_key(lane, chunk)
  redis.call('HSET', key, field_of(its_place), id)
  if redis.call('HLEN', key) == 1 then redis.call('ZADD', chunks_of(lane), chunk, chunk) end
  sweep_within(1000)
end

-- Has an email that has just been put on its lane's list wait there, at a place given as a number.
local function wait_at(nth, id, lane, counted) -- lazy
  local its_place = text_of(nth)
  redis.call('HINCRBY', WAITING, lane, 1)
  place_one(lane, id, its_place)
  move(id, QUEUED .. its_place .. (counted or ''))
end

-- Puts an email behind all others of its lane. The caller has taken it out of the set that it was in.
--
-- Where some other program has put something else than a list it waits without an entry: the sweep lists it when there is
-- a list again.
local function list_last(id, lane, counted) -- lazy
  redis.pcall('LPUSH', list_of(lane), id)
  wait_at(ORIGIN + redis.call('HINCRBY', WAITING, lane .. ':last', 1), id, lane, counted)
end

-- Puts an email before all others of its lane: it has waited longest.
local function list_first(id, lane, counted) -- lazy
  redis.pcall('RPUSH', list_of(lane), id)
  wait_at(ORIGIN + redis.call('HINCRBY', WAITING, lane .. ':first', -1), id, lane, counted)
end

-- Adds an email's place to those of others, which are kept by lane and hash: the fields.
local function add_place(places, lane, its_place)
  local by_chunk, chunk = places[lane], chunk_of(its_place)
  if not by_chunk then
    by_chunk = {}
    places[lane] = by_chunk
  end
  local fields = by_chunk[chunk]
  if not fields then
    fields = {}
    by_chunk[chunk] = fields
  end
  fields[#fields + 1] = field_of(its_place)
end

-- Takes emails out of those that wait, given by their places. The lists keep their entries.
local function leave(places)
  for lane, by_chunk in pairs(places) do
    local left = 0
    for chunk, fields in pairs(by_chunk) do
      local key = chunk_key(lane, chunk)
      left = left + redis.call('HDEL', key, unpack(fields))
      -- Of another type if some other program has put something else there. The count must come right all the same.
      if redis.call('EXISTS', key) == 0 then redis.pcall('ZREM', chunks_of(lane), chunk) end
    end
    if left > 0 then redis.call('HINCRBY', WAITING, lane, -left) end
  end
end

-- The same for one email, by its place.
local function leave_one(lane, its_place) -- lazy
  local places = {}
  add_place(places, lane, its_place)
  leave(places)
end

-- Up to about `max` emails that wait in a lane at a place below the given one, in order: each with `place` and `id`.
local function places_below(lane, limit, max)
  local found = {}
  local chunks = redis.call('ZRANGEBYSCORE', chunks_of(lane), '-inf', limit / 100, 'LIMIT', 0, math.ceil(max / 100) + 1)
  for _, chunk in ipairs(chunks) do
    local fields = redis.call('HGETALL', chunk_key(lane, chunk))
    for i = 1, #fields, 2 do
      local place = tonumber(chunk .. fields[i])
      if place < limit then found[#found + 1] = {place = place, id = fields[i + 1]} end
    end
  end
  table.sort(found, function(a, b) return a.place < b.place end)
  return found
end

-- Puts emails of one lane, given as {id, counters}, before all others of it, in the order of their ids: also among those
-- that have been put there so before, as when several workers give back at about the same time what they had in flight.
local function list_in_front(lane, emails) -- lazy
  local last = ''
  for _, email in ipairs(emails) do
    if email[1] > last then last = email[1] end
  end
  local before = {}
  for _ = 1, 1000 do
    local id = redis.pcall('LINDEX', list_of(lane), -1)
    local header = type(id) == 'string' and #id == 36 and id < last and header_of(id)
    if not header or state_of(header) ~= QUEUED or tonumber(when_of(header)) > ORIGIN then break end
    redis.call('RPOP', list_of(lane))
    add_place(before, lane, when_of(header))
    emails[#emails + 1] = {id}
  end
  leave(before)
  table.sort(emails, function(a, b) return a[1] > b[1] end)
  for _, email in ipairs(emails) do list_first(email[1], lane, email[2]) end
end
