-- Moves an idempotency key to another shard, unless a request was accepted under it in this one.
--
-- KEYS[1]  the shard that the key had before the number of shards was changed
-- ARGV[1]  idempotency key, hashed
-- Reply    {1} a request was accepted under it, and `enqueue` in this shard replies as to a repetition: nothing was changed
--          {0} none was. The key has a mark for 24 hours, for which `enqueue` in this shard replies that another request was
--          accepted under it: so an instance of the API that has the former number does not accept what its new shard accepts
-- A repeated call replies the same.

local other = other_version()
if other then return other end
local key = idempotency_of(ARGV[1])
local MARK = 'moved'
local MARKED_MS = 24 * 60 * 60 * 1000

local before = redis.call('GET', key)
if before and before ~= MARK then return {1} end
redis.call('SET', key, MARK, 'PX', MARKED_MS)
return {0}
