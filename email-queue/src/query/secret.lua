-- Returns the secret that signs links. Stores the given one if there is none yet.
--
-- KEYS[1]  the queue
-- ARGV[1]  the secret to keep if there is none: random bytes
-- Reply    {the secret that is kept}
-- The first call sets it; all others get the same, also concurrent ones.

local secret = redis.call('GET', SECRET)
if not secret then
  secret = ARGV[1]
  redis.call('SET', SECRET, secret)
end
return {secret}
