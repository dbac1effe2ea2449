-- Returns the version of a queue's keys, and sets it if there is none: that of a queue from before versions.
--
-- KEYS[1]  the queue
-- Reply    {the version}

local version = redis.call('GET', VERSION)
if not version then
  allow_write_when_full()
  version = FIRST_VERSION
  redis.call('SET', VERSION, version)
end
return {version}
