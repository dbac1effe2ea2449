-- Returns the record of an email. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  the last byte of its record that is wanted; -1 for all of it
-- Reply    {its record, its last error or '', the class of that or '', the recipients that have got it as a JSON array or '' if it
--          is not known of any}; {} when there is no such email

local other = other_version()
if other then return other end
local id, last_byte = ARGV[1], ARGV[2]
local record, why, class = shown(id, {}, last_byte)
if not record then return {} end
local served = redis.pcall('HGET', failure_of(id), 'accepted')
return {record, why, class, type(served) == 'string' and served or ''}
