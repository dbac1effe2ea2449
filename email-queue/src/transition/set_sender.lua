-- Gives a claimed email a sender. sending -> sending, with other JSON behind the same header.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  the claim under which a worker has it in flight
-- ARGV[3]  the email as JSON, with its sender
-- Reply    {1 when it was in flight under that claim, else 0: nothing was changed}

local id, claim, email = ARGV[1], ARGV[2], ARGV[3]

local header = header_of(id)
if not header or state_of(header) ~= SENDING_STATE or claim_of(header) ~= claim then return {0} end
local record, size = string.sub(header, 1, string.find(header, '\n', 50, true)) .. email, size_of(id)
redis.call('SET', record_of(id), record)
redis.call('HINCRBY', WAITING, 'bytes', #record - size)
grow_recount(id, #record - size)
return {1}
