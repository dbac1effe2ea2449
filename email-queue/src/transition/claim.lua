-- Claims emails for a worker, under its lease, from the lanes high, normal, low in this order. queued -> sending. Drops
-- an entry whose email is not queued (canceled, claimed already): the list may contain an id twice, the record decides.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now, for all that the worker has in flight
-- ARGV[3]  how many at the most
-- ARGV[4]  how many bytes of JSON at the most,
-- ARGV[5]  and how many the first email may have
-- ARGV[6]  list and
-- ARGV[7]  entry that BRPOP just returned, claimed before any other; both '' for none
-- ARGV[8]  the worker's name for the entry if it is not an id; else ''
-- Reply    per email: id, claim, its progress as failure.lua says or '', its record as it was before; for an
--          entry with a name the claim is negative, and the record is only the header.
--          Last: the size of the next email in bytes, if it did not fit; and a negative number if lanes are paused, as
--          claiming.lua says: nothing of those is claimed, and what was popped goes back
--
-- `claim` is the number of this claim of the email. An outcome must carry it, so that an outcome of an earlier claim is
-- ignored. An entry that is not an id was pushed by another program with a plain LPUSH. It gets a record here, and is
-- from now on as safe as any other email; the worker parses it. The key `import` has the last such entry that BRPOP
-- returned to the worker, by its name, so that a repeated call finds it again after a lost reply. An email whose record
-- is missing or unreadable becomes a dead letter of the class `unreadable`.

allow_write_when_full()
-- In the order in which claim.rs writes them.
local worker, lease, max, max_bytes, first_bytes, popped_from, popped, name = unpack(ARGV)
local reply = {}
return claim_into(
  reply, worker, tonumber(lease), tonumber(max), tonumber(max_bytes), tonumber(first_bytes), popped_from, popped, name
) or reply
