-- Replies with the secret that signs links, and keeps the one offered where there is none yet.
--
-- KEYS[1]  the queue
-- ARGV[1]  the secret to keep if there is none: random bytes
-- Reply    {the secret that is kept}
-- Whoever comes first has made it; all others get the same, however many ask at once.

local secret = redis.call('GET', SECRET)
if not secret then
  secret = ARGV[1]
  redis.call('SET', SECRET, secret)
end
return {secret}
