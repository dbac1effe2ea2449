-- Replies with what is known of an email. Changes nothing.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- Reply    {its record, its last error or ''}; {} when there is no such email

local record, why = shown(ARGV[1])
if not record then return {} end
return {record, why}
