-- Lua does not take back what a script has written before it fails. A script that a client waits for does so itself, so
-- that an error means that nothing was done: whatever key is in use for something else, and whatever is not permitted.

-- The error that a call has ended with, as a reply. Redis 6 tells it as text.
local function as_reply(why) return type(why) == 'table' and why or {err = 'ERR ' .. why} end -- lazy

-- Removes a key, also where DEL is not permitted.
local function remove(key) -- lazy
  redis.pcall('PEXPIRE', key, '0')
  redis.pcall('DEL', key)
end

-- The command that gives a field of a hash the value that it has now.
local function as_it_was(key, field)
  local value = redis.call('HGET', key, field)
  if value then return {'HSET', key, field, value} end
  return {'HDEL', key, field}
end

-- Runs a function, and replies as it does. If it fails, the commands of `undo` put back what there was.
local function whole(undo, run)
  local done, reply = pcall(run)
  if done then return reply end
  for i = 1, #undo do redis.pcall(unpack(undo[i])) end
  return as_reply(reply)
end
