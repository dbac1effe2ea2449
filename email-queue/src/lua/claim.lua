-- Takes emails from the lanes, high before normal before low, for one worker to send under its lease.
-- queued -> sending. An entry whose email is not queued (canceled, claimed already) is dropped: the list may hold
-- an id twice, the record decides.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now, for all that the worker has in hand
-- ARGV[3]  how many at the most
-- ARGV[4]  how many bytes of JSON at the most; the first email is given whatever its size
-- ARGV[5]  list and
-- ARGV[6]  entry that BRPOP just returned, claimed before any other; both '' for none
-- Reply    per email: id, claim, recipients already served as a JSON array or '', its record as it was before
--
-- `claim` counts how often the email was claimed. Whoever reports its outcome must name it: it tells a worker whose
-- email was taken over from the one that took it.
-- An entry that is no id was pushed by some other program with a plain LPUSH. It gets a record here, and is from now
-- on as safe as any other email. Whether it can be read as an email is for the worker to find out.

write_though_full()
local reply = {}
claim_into(reply, ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6])
return reply
