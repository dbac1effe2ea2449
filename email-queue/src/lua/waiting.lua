-- The waiting emails of each lane in order: each has a sequence number, counting up from the last. Emails that go to
-- the front count down from the first.
--
-- Entries are sharded into listpack-encoded hashes of 100: 45 bytes per email instead of 140 in a sorted set, at a cost
-- that does not depend on the length of the lane. A sequence number has 13 digits: 11 for the chunk, which is a hash,
-- and two for the field in it.

local ORIGIN = 5000000000000

local function chunk_of(sequence) return string.sub(sequence, 1, 11) end

local function field_of(sequence) return string.sub(sequence, 12) end

-- How many emails wait in all lanes, and in each of LANES.
local function waiting()
  local sum, waits = 0, redis.call('HMGET', WAITING, unpack(LANES))
  for i = 1, #LANES do
    waits[i] = tonumber(waits[i] or 0)
    sum = sum + waits[i]
  end
  return sum, waits
end

-- How many entries a lane's list has besides those of the emails that wait, of which there are so many: what other programs have
-- pushed and no worker has claimed, and what canceled, discarded and moved emails have left there, until a claim drops it.
local function other_entries(lane, waits) -- lazy
  local entries = redis.pcall('LLEN', list_of(lane))
  return type(entries) == 'number' and math.max(0, entries - waits) or 0
end

-- Counts emails that are delayed, apart from those that are scheduled. Never below 0: those of an earlier version were not counted.
local function count_delayed(by) -- lazy
  if redis.call('HINCRBY', WAITING, 'delayed', by) < 0 then redis.call('HSET', WAITING, 'delayed', '0') end
end

-- Since when each of LANES is paused, as text, or false; nil when none is.
local function paused_lanes()
  if redis.call('EXISTS', PAUSED) == 1 then return redis.call('HMGET', PAUSED, unpack(LANES)) end
end

-- The same as a reply: '' for those that are not.
local function shown_pauses()
  local paused = paused_lanes() or {}
  return {paused[1] or '', paused[2] or '', paused[3] or ''}
end

-- Enters emails under their sequence numbers, given as text in order. The caller counts them in the hash WAITING.
local function enter_all(lane, ids, sequences) -- lazy
  local i = 1
  while i <= #ids do
    local chunk, fields = chunk_of(sequences[i]), {}
    repeat
      fields[#fields + 1] = field_of(sequences[i])
      fields[#fields + 1] = ids[i]
      i = i + 1
    until i > #ids or chunk_of(sequences[i]) ~= chunk
    local key = chunk_key(lane, chunk)
    redis.call('HSET', key, unpack(fields))
    -- Nothing but these: it is new.
    if 2 * redis.call('HLEN', key) == #fields then redis.call('ZADD', chunks_of(lane), chunk, chunk) end
  end
  -- A worker may pop them and die.
  maintain_within(1000)
end

-- The same for one email, without the cost of lists.
local function enter_one(lane, id, sequence)
  local chunk = chunk_of(sequence)
  local key = chunk_key(lane, chunk)
  redis.call('HSET', key, field_of(sequence), id)
  if redis.call('HLEN', key) == 1 then redis.call('ZADD', chunks_of(lane), chunk, chunk) end
  maintain_within(1000)
end

-- Enters an email that has just been put on its lane's list, under a sequence number given as a number.
local function enter_at(nth, id, lane, counted) -- lazy
  local sequence = text_of(nth)
  redis.call('HINCRBY', WAITING, lane, 1)
  enter_one(lane, id, sequence)
  move(id, QUEUED .. sequence .. (counted or ''))
end

-- Puts an email behind all others of its lane. The caller has taken it out of the set that it was in.
--
-- If the key is not a list, the email waits without an entry; maintenance adds one when it is a list again.
local function push_back(id, lane, counted) -- lazy
  redis.pcall('LPUSH', list_of(lane), id)
  enter_at(ORIGIN + redis.call('HINCRBY', WAITING, lane .. ':last', 1), id, lane, counted)
end

-- Puts an email before all others of its lane: it has waited longest.
local function push_front(id, lane, counted) -- lazy
  redis.pcall('RPUSH', list_of(lane), id)
  enter_at(ORIGIN + redis.call('HINCRBY', WAITING, lane .. ':first', -1), id, lane, counted)
end

-- Adds a sequence number to others, which are grouped by lane and chunk: the fields.
local function add_sequence(sequences, lane, sequence)
  local by_chunk, chunk = sequences[lane], chunk_of(sequence)
  if not by_chunk then
    by_chunk = {}
    sequences[lane] = by_chunk
  end
  local fields = by_chunk[chunk]
  if not fields then
    fields = {}
    by_chunk[chunk] = fields
  end
  fields[#fields + 1] = field_of(sequence)
end

-- Removes emails from those that wait, given by their sequence numbers. The lists keep their entries.
local function leave(sequences)
  for lane, by_chunk in pairs(sequences) do
    local left = 0
    for chunk, fields in pairs(by_chunk) do
      local key = chunk_key(lane, chunk)
      left = left + redis.call('HDEL', key, unpack(fields))
      -- The key may be of another type. The count has to come right all the same.
      if redis.call('EXISTS', key) == 0 then redis.pcall('ZREM', chunks_of(lane), chunk) end
    end
    if left > 0 then redis.call('HINCRBY', WAITING, lane, -left) end
  end
end

-- The same for one email.
local function leave_one(lane, sequence) -- lazy
  local sequences = {}
  add_sequence(sequences, lane, sequence)
  leave(sequences)
end

-- Up to about `max` emails that wait in a lane under a sequence number below the given one, in order: each with `sequence`
-- and `id`.
local function sequences_below(lane, limit, max)
  local found = {}
  local chunks = redis.call('ZRANGEBYSCORE', chunks_of(lane), '-inf', limit / 100, 'LIMIT', 0, math.ceil(max / 100) + 1)
  for _, chunk in ipairs(chunks) do
    local fields = redis.call('HGETALL', chunk_key(lane, chunk))
    for i = 1, #fields, 2 do
      local sequence = tonumber(chunk .. fields[i])
      if sequence < limit then found[#found + 1] = {sequence = sequence, id = fields[i + 1]} end
    end
  end
  table.sort(found, function(a, b) return a.sequence < b.sequence end)
  return found
end

-- About how many emails wait in a lane before the one with this sequence number. Exact if it is among the first ten thousand or so:
-- beyond a hundred chunks, those that are not counted are taken to be as full as all that follow are on average.
local function waiting_before(lane, sequence) -- lazy
  local chunk, field, before = chunk_of(sequence), field_of(sequence), 0
  local rank = redis.call('ZRANK', chunks_of(lane), chunk)
  if not rank then return 0 end
  for _, chunk_before in ipairs(rank > 0 and redis.call('ZRANGE', chunks_of(lane), 0, math.min(rank, 100) - 1) or {}) do
    before = before + redis.call('HLEN', chunk_key(lane, chunk_before))
  end
  if rank > 100 then
    local all = tonumber(redis.call('HGET', WAITING, lane) or 0)
    local each = math.max(0, all - before) / (redis.call('ZCARD', chunks_of(lane)) - 100)
    before = before + math.floor((rank - 100) * each)
  end
  local fields = redis.call('HGETALL', chunk_key(lane, chunk))
  for i = 1, #fields, 2 do
    if fields[i] < field then before = before + 1 end
  end
  return before
end

-- Puts emails of one lane, given as {id, counters}, in front, in order of id. Merges them with emails that were put in
-- front before, because several workers may release emails at about the same time.
local function push_front_in_order(lane, emails) -- lazy
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
    add_sequence(before, lane, when_of(header))
    emails[#emails + 1] = {id}
  end
  leave(before)
  table.sort(emails, function(a, b) return a[1] > b[1] end)
  for _, email in ipairs(emails) do push_front(email[1], lane, email[2]) end
end

-- Puts the entry of an email, which was taken from the front of its lane's list, back there: behind entries with a lower sequence
-- number, because several workers may put entries back in any order. Nothing is put back for an email that does not wait in the
-- lane, or that is there already.
local function put_back(id, lane) -- lazy
  local header, list, before = header_of(id), list_of(lane), 0
  if not header or state_of(header) ~= QUEUED or lane_of(header) ~= lane then return end
  for nth = 1, 1000 do
    local entry = redis.pcall('LINDEX', list, -nth)
    if entry == id then return end
    local other = type(entry) == 'string' and #entry == 36 and header_of(entry)
    if not other then break end
    -- The entry of an email that does not wait here any more may be before one that does.
    if state_of(other) == QUEUED and lane_of(other) == lane then
      if when_of(other) > when_of(header) then break end
      before = nth
    end
  end
  redis.call('RPUSH', list, id)
  if before == 0 then return end
  local entries = redis.call('RPOP', list, before + 1)
  entries[#entries + 1] = id
  for i = #entries, 2, -1 do redis.call('RPUSH', list, entries[i]) end
end
