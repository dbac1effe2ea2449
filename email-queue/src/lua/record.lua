-- The record of an email: one string, a header of fixed columns and then the email as JSON.
--
--   state     when          claims attempts recovered lane   created       [retention] [removed]
--   sending   1764000000000 00001  0000     00        normal 1764000000000
--
-- A string is Redis' smallest representation, and SETRANGE updates the header in place, however large the email is.
-- record.rs reads the same columns. "Header" in these scripts is the line as read.
--
-- `removed`, if the bodies were removed: their bytes of JSON. Without a retention, two blanks precede it.
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

-- nil if the header has no valid lane.
local function lane_of(header) return LANE_IN_COLUMN[string.sub(header, 39, 44)] end

-- nil if the worker's setting applies.
local function retention_of(header) return tonumber(string.match(header, '^ (%d+)[ \n]', 59)) end

-- A header is never longer than this.
local HEADER_BYTES = '90'

-- The format of a header.
local HEADER = '^%l%l%l%l[%l ][%l ][%l ][%l ][%l ] ' .. string.rep('%d', 13) -- lazy
  .. ' %d%d%d%d%d %d%d%d%d %d%d %l%l%l[%l ][%l ][%l ] ' .. string.rep('%d', 13) .. '[ %d]*\n'

local IS_STATE = { -- lazy
  [QUEUED] = true, [SCHEDULED_STATE] = true, [SENDING_STATE] = true, [SENT] = true, [DELAYED] = true,
  [FAILED_STATE] = true, [CANCELED] = true,
}

-- Whether a readable record begins like this. Other content was written by another program or truncated, and no script
-- may rely on it.
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

-- The time for which an email was scheduled, as text, that its JSON ends with; nil if it has none. due.rs reads the same.
local function written_due(id) -- lazy
  return string.match(redis.call('GETRANGE', record_of(id), -27, -1), '^,"queue_due":(%d+)}$')
end

-- The number of the last claim as text, in five digits.
local function claim_of(header) return string.sub(header, 25, 29) end

-- The counters of a header, which follow `when`.
local function counters_of(header) return string.sub(header, 24, 37) end

-- Formats counters. Attempts and recoveries stop at their column's maximum; claims wrap around, which still
-- distinguishes a claim from the previous one.
local function counters(claims, attempts, recovered) -- lazy
  return string.format(' %05d %04d %02d', claims % 100000, math.min(attempts, 9999), math.min(recovered, 99))
end

-- The counters of nearly all emails: claimed once, sent at the first attempt. Literals, because formatting numbers
-- takes longer than most Redis commands.
local NEW = ' 00000 0000 00'

local CLAIMED_ONCE = ' 00001 0000 00'

local SENT_AT_ONCE = ' 00001 0001 00'

-- Creates a record and returns it; nil if the id exists. `when` is text.
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

-- A new header for an email whose own is lost, with the given beginning.
local function header_anew(id, beginning) -- lazy
  if #beginning < 37 then beginning = beginning .. NEW end
  return beginning .. ' normal ' .. accepted_at(id) .. '\n'
end

-- Writes the beginning of a header: state, `when` as text, and the counters if they change. If the record is gone,
-- creates a complete header without an email, so that no partial header remains.
local function move_record(key, beginning)
  local length = redis.pcall('SETRANGE', key, '0', beginning)
  if type(length) ~= 'number' or length < 59 then
    only_wrong_type(length)
    redis.call('SET', key, header_anew(string.sub(key, -36), beginning))
    request_recount()
  end
end

local function move(id, beginning) move_record(record_of(id), beginning) end

-- The key of an email's failures, for writing. Deletes a value of another type, which would prevent recording the
-- email's outcome.
local function failures_of(id) -- lazy
  local key = failure_of(id)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('UNLINK', key) end
  return key
end

-- Makes an email a dead letter, kept until an operator retries or discards it. `class` is one of those in class.rs. `detail` is
-- what the timeline tells of the attempt.
local function dead_letter(id, class, why, counted, detail) -- lazy
  move(id, FAILED_STATE .. NOW .. (counted or ''))
  redis.call('HSET', failures_of(id), 'error', why, 'class', class)
  redis.call('ZADD', FAILED, NOW, id)
  detail = detail or {}
  detail.class, detail.answer = class, why
  add_to_timeline(id, 'failed', detail)
end

-- Counts a dead letter, in all and by its class.
local function count_failed(class, by) -- lazy
  count('failed', by)
  count('failed:' .. class, by)
end

-- Makes an email with a missing or unreadable record a dead letter, with the raw content as its text, for an operator
-- to inspect. A readable record is left unchanged.
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
  request_recount()
  dead_letter(id, 'unreadable', why)
  count_failed('unreadable', 1)
end

-- Schedules the deletion of ended emails in so many ms. Emails that ended together are one member of the set, which
-- saves most of the work and memory of one member each.
local function expire_in(ms, ids)
  for i = 1, #ids, 100 do
    redis.call('ZADD', FINISHED, text_of(now + ms), table.concat(ids, ' ', i, math.min(i + 99, #ids)))
  end
end
