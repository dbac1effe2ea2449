-- The record of an email: one string, a header line of fixed columns and then the email as JSON.
--
--   state     when          claims attempts recovered lane   created       [retention] [removed]
--   sending   1764000000000 00001  0000     00        normal 1764000000000
--
-- One string, because it is the least that Redis can keep an email in, and a header in front of it, because SETRANGE
-- changes that in place, however large the email is. record.rs reads the same columns. A header in these scripts is the
-- line as it was read.
--
-- `removed` is there when the bodies are not any more: how many bytes of JSON they had. Without a retention there are two
-- blanks before it.
--
-- `when` depends on the state: queued, the email's sequence number in its lane; scheduled and delayed, when it is due; sending,
-- when it was claimed; sent, failed and canceled, since when.

local QUEUED = 'queued    '

local SCHEDULED_STATE = 'scheduled '

local SENDING_STATE = 'sending   '

local SENT = 'sent      '

local DELAYED = 'delayed   '

local FAILED_STATE = 'failed    '

local CANCELED = 'canceled  '

local function state_of(header) return string.sub(header, 1, 10) end

local function when_of(header) return string.sub(header, 11, 23) end

local function claims_of(header) return tonumber(string.sub(header, 25, 29)) end -- lazy

local function attempts_of(header) return tonumber(string.sub(header, 31, 34)) end -- lazy

local function recovered_of(header) return tonumber(string.sub(header, 36, 37)) end -- lazy

local LANE_IN_COLUMN = {['high  '] = 'high', normal = 'normal', ['low   '] = 'low'}

-- nil where the header names none that there is.
local function lane_of(header) return LANE_IN_COLUMN[string.sub(header, 39, 44)] end

-- nil where the email leaves it to the worker.
local function retention_of(header) return tonumber(string.match(header, '^ (%d+)[ \n]', 59)) end

-- How many bytes of a record hold its header for sure.
local HEADER_BYTES = '90'

-- What a header looks like.
local HEADER = '^%l%l%l%l[%l ][%l ][%l ][%l ][%l ] ' .. string.rep('%d', 13) -- lazy
  .. ' %d%d%d%d%d %d%d%d%d %d%d %l%l%l[%l ][%l ][%l ] ' .. string.rep('%d', 13) .. '[ %d]*\n'

local IS_STATE = { -- lazy
  [QUEUED] = true, [SCHEDULED_STATE] = true, [SENDING_STATE] = true, [SENT] = true, [DELAYED] = true,
  [FAILED_STATE] = true, [CANCELED] = true,
}

-- Whether this is the beginning of a record that can be read. What else is there was put there by somebody else, or cut
-- off, and no script may rely on it.
local function is_header(header) -- lazy
  return type(header) == 'string' and string.find(header, HEADER) and IS_STATE[state_of(header)]
    and lane_of(header)
end

-- The header of an email; nil when there is no such email, or none that can be read.
local function header_of(id) -- lazy
  local header = redis.pcall('GETRANGE', record_of(id), '0', HEADER_BYTES)
  only_wrong_type(header)
  if is_header(header) then return header end
end

-- The number of the last claim as text, in five digits.
local function claim_of(header) return string.sub(header, 25, 29) end

-- The counters of a header, as they stand behind its `when`.
local function counters_of(header) return string.sub(header, 24, 37) end

-- The same, anew. Each stops at what its column holds; claims begin again, which serves as well to tell one claim from
-- the one before.
local function counters(claims, attempts, recovered) -- lazy
  return string.format(' %05d %04d %02d', claims % 100000, math.min(attempts, 9999), math.min(recovered, 99))
end

-- What becomes of nearly all emails: claimed once, sent at the first attempt. Spelled out, as writing numbers takes
-- longer than most commands of Redis.
local NEW = ' 00000 0000 00'

local CLAIMED_ONCE = ' 00001 0000 00'

local SENT_AT_ONCE = ' 00001 0001 00'

-- Makes a record that is not there yet, and returns it; nil when there is one. `when` is text.
local function create(id, state, when, lane, retention, email)
  if retention ~= '' then retention = ' ' .. retention end
  lane = lane == 'normal' and ' normal ' or string.format(' %-6s ', lane)
  local record = state .. when .. NEW .. lane .. NOW .. retention .. '\n' .. email
  if redis.call('SET', record_of(id), record, 'NX') then return record end
end

-- When an email was accepted, by its id: the first 48 bits of a UUID v7 (RFC 9562 5.7) are ms since 1970.
local function accepted_at(id) -- lazy
  return text_of(tonumber(string.sub(id, 1, 8) .. string.sub(id, 10, 13), 16) or 0)
end

-- A header for an email that has lost its own, with the given beginning.
local function header_anew(id, beginning) -- lazy
  if #beginning < 37 then beginning = beginning .. NEW end
  return beginning .. ' normal ' .. accepted_at(id) .. '\n'
end

-- Writes the beginning of a header: state, `when` as text, and the counters unless they stay as they are. Where the record
-- is gone meanwhile there must be no half of a header: it gets a whole one, with no email behind it.
local function move_record(key, beginning)
  local length = redis.pcall('SETRANGE', key, '0', beginning)
  if type(length) ~= 'number' or length < 59 then
    only_wrong_type(length)
    redis.call('SET', key, header_anew(string.sub(key, -36), beginning))
    count_anew()
  end
end

local function move(id, beginning) move_record(record_of(id), beginning) end

-- The key of what is known of an email's failures, for a script that writes there. What some other program has put there
-- instead of a hash goes: no outcome of the email could be recorded.
local function failures_of(id) -- lazy
  local key = failure_of(id)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('UNLINK', key) end
  return key
end

-- Makes an email a dead letter, kept until a person retries or discards it. `class` is one of those in class.rs.
local function dead_letter(id, class, why, counted) -- lazy
  move(id, FAILED_STATE .. NOW .. (counted or ''))
  redis.call('HSET', failures_of(id), 'error', why, 'class', class)
  redis.call('ZADD', FAILED, NOW, id)
end

-- Makes a dead letter of an email whose record is missing or cannot be read. What is there becomes the email as it is,
-- for a person to look at. One that has ended is left as it is.
local function dead_letter_unreadable(id) -- lazy
  local raw, why = redis.pcall('GET', record_of(id)), 'its record in Redis cannot be read'
  if is_header(raw) then return end
  if type(raw) ~= 'string' then
    only_wrong_type(raw)
    why = raw and 'its record in Redis is a key of another type' or 'its record in Redis is missing'
    raw = ''
  end
  redis.call('SET', record_of(id), header_anew(id, FAILED_STATE .. NOW) .. raw)
  -- Its length before is not known.
  count_anew()
  dead_letter(id, 'unreadable', why)
  count('failed', 1)
end

-- Has emails that have ended deleted in so many ms. Those that ended together are one member of the set, which is a
-- fraction of the work and the memory of a member each.
local function expire_in(ms, ids)
  for i = 1, #ids, 100 do
    redis.call('ZADD', FINISHED, text_of(now + ms), table.concat(ids, ' ', i, math.min(i + 99, #ids)))
  end
end
