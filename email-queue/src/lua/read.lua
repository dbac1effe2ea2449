-- Replies with what is known of an email. Changes nothing.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- Reply    {its record, its last error or '', the class of that or ''}; {} when there is no such email

local record, why, class = shown(ARGV[1], {})
if not record then return {} end
return {record, why, class}
