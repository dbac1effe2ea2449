-- Searches emails, newest first. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many at the most
-- ARGV[2]  'after' (the older ones that follow a cursor), 'before' (the page of newer ones that ends at it), or ''
-- ARGV[3]  the cursor: an id, which need not exist any more; '' for none
-- ARGV[4]  only ids above this text,
-- ARGV[5]  and below this one; '' for any
-- ARGV[6]  only emails in this state; '' for any
-- ARGV[7]  whose last failure has this class; '' for any
-- ARGV[8]  of this lane; '' for any
-- ARGV[9…] only emails whose record has these texts in its first 4 KiB, in lower case
-- Reply    {1 when more follow in that direction, else 0; the id up to which was looked, or ''; how many were looked at;
--           then per email its id, the beginning of its record, its last error or '', the class of that or ''}
-- Bounded in emails and bytes that are looked at; then more may follow.

local other = other_version()
if other then return other end
local max, direction, cursor, above, below, state, class, lane = tonumber(ARGV[1]), unpack(ARGV, 2, 8)
local LOOKS, BYTES, BEGINNING = 2000, 2097152, '32767'
-- States with no more emails than this are looked through as a whole.
local FEW = 2000
local newer = direction == 'before'
local needles, up_to = {unpack(ARGV, 9)}, ARGV[9] and '4095' or HEADER_BYTES

local function is_beyond(id, last)
  return last == '' or newer and id > last or not newer and id < last
end

-- All emails that may be in the state, in order; nil when they are many, or not known.
local function few_in_state()
  local ids = {}
  if state == 'sending' then
    local count, workers = 0, redis.call('ZRANGE', WORKERS, 0, -1)
    for _, worker in ipairs(workers) do count = count + redis.call('HLEN', sending_of(worker)) end
    if count > FEW then return end
    for _, worker in ipairs(workers) do
      for n, value in ipairs(redis.call('HGETALL', sending_of(worker))) do
        if n % 2 == 1 then ids[#ids + 1] = value end
      end
    end
  else
    local set = state == 'failed' and FAILED or (state == 'delayed' or state == 'scheduled') and SCHEDULED
    if not set or redis.call('ZCARD', set) > FEW then return end
    ids = redis.call('ZRANGE', set, 0, -1)
  end
  table.sort(ids, function(a, b) if newer then return a < b else return a > b end end)
  return ids
end

local few = few_in_state()

local function ids_after(last)
  if not few then return ids_beyond(last, direction) end
  local ids = {}
  for _, id in ipairs(few) do
    if is_beyond(id, last) then ids[#ids + 1] = id end
  end
  few = {}
  return ids
end

local bytes = 0

local function matches(id)
  local record = redis.pcall('GETRANGE', record_of(id), '0', up_to)
  only_wrong_type(record)
  if record == '' then return false end
  -- What cannot be read is shown as a dead letter.
  local is_readable = is_header(record)
  if state ~= '' and (is_readable and string.match(record, '%a+') or 'failed') ~= state then return false end
  if lane ~= '' and (is_readable and lane_of(record) or 'normal') ~= lane then return false end
  if class ~= '' and (is_readable and redis.pcall('HGET', failure_of(id), 'class') or 'unreadable') ~= class then return false end
  if needles[1] then
    if not is_readable then return false end
    bytes = bytes + #record
    record = string.lower(record)
    for _, needle in ipairs(needles) do
      if not string.find(record, needle, 1, true) then return false end
    end
  end
  return true
end

local found, looked, more, ended = {}, 0, 0, false
local reason = {}
-- Not a cursor before an email was looked at: where to begin.
local last, from = '', cursor
if newer and above ~= '' and above > from then from = above end
if not newer and below ~= '' and is_beyond(below, from) then from = below end
local ids
repeat
  ids = ids_after(from)
  for _, id in ipairs(ids) do
    if newer and below ~= '' and id >= below or not newer and id <= above then
      ended = true
      break
    end
    if looked == LOOKS or bytes > BYTES then
      more = 1
      break
    end
    local is_one = matches(id)
    if is_one and #found == max then
      more = 1
      break
    end
    looked, last, from = looked + 1, id, id
    if is_one then
      local record, why, of_class = shown(id, reason, BEGINNING)
      if record then
        bytes = bytes + #record
        found[#found + 1] = {id, record, why, of_class}
      end
    end
  end
until more == 1 or ended or #ids == 0

local reply = {more, last, looked}
local first, final, step = 1, #found, 1
if newer then first, final, step = #found, 1, -1 end
for i = first, final, step do
  for _, value in ipairs(found[i]) do reply[#reply + 1] = value end
end
return reply
