-- Returns what has happened to an email, as far as that is stored. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- Reply    {header of its record, its last error or '', the class of that or '', the worker that has it in flight or '', the time
--          for which it was scheduled or '', then the entries of its timeline, the oldest first, as timeline.lua says}; {} when there is no such email

local other = other_version()
if other then return other end
local id = ARGV[1]
local header, why, class = shown(id, {}, HEADER_BYTES)
if not header then return {} end
local held = state_of(header) == SENDING_STATE and holder_of(id) or ''
local entries = redis.pcall('LRANGE', timeline_of(id), 0, -1)
only_wrong_type(entries)
return {header, why, class, held, written_due(id) or '', unpack(entries)}
