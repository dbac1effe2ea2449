-- The timeline of an email: what has happened to it. Only of an email that was not sent at its first attempt: of one that was, its
-- record tells all.
--
-- An entry is a text of fields, with a tab behind each but the last: when, event, attempt, worker, class of a failure, for how many
-- ms the worker had the email, relay, answer. Entries never fail a script: each is written behind what it tells of. `expire` deletes
-- the timeline with the record, whichever version has ended it; an earlier version's does not, so it ends by itself as well.

-- The newest entries are kept.
local ENTRIES = 25

-- An entry as text. `detail` has some of the fields.
local function timeline_entry(event, detail) -- lazy
  local attempt = detail.attempt and string.format('%.0f', detail.attempt) or ''
  return table.concat({
    NOW, event, attempt, detail.worker or '', detail.class or '', detail.took or '', detail.relay or '', detail.answer or '',
  }, '\t')
end

-- How long a timeline outlasts its record if nothing else deletes it.
local OUTLASTS_MS = 86400000

-- Adds an entry by this command. Returns whether there is a timeline then.
local function push_entry(command, id, event, detail) -- lazy
  local entries = redis.pcall(command, timeline_of(id), timeline_entry(event, detail or {}))
  if type(entries) ~= 'number' then return false end
  if entries > ENTRIES then redis.pcall('LTRIM', timeline_of(id), -ENTRIES, -1) end
  return entries > 0
end

-- Adds an entry.
local function add_to_timeline(id, event, detail) push_entry('RPUSH', id, event, detail) end -- lazy

-- Adds an entry to a timeline that has some.
local function continue_timeline(id, event, detail) push_entry('RPUSHX', id, event, detail) end -- lazy

-- Adds the last entry by this command; the record is kept for so many ms.
local function end_timeline(command, id, event, detail, kept) -- lazy
  if not push_entry(command, id, event, detail) then return end
  redis.pcall('PEXPIRE', timeline_of(id), string.format('%.0f', kept + OUTLASTS_MS))
end

-- Whether an email that is canceled was discarded: that is its last entry then.
local function was_discarded(id) -- lazy
  local last = redis.pcall('LINDEX', timeline_of(id), -1)
  return type(last) == 'string' and string.find(last, '^%d+\tdiscarded\t') ~= nil
end
