-- Redis does not roll back a script that fails. Scripts that a client waits for undo their own writes, so that an error
-- means that nothing was done, whichever key has another type or command is not permitted.

-- The error of a call as a reply. Redis 6 raises it as text.
local function as_reply(why) return type(why) == 'table' and why or {err = 'ERR ' .. why} end -- lazy

-- Removes a key, also where DEL is not permitted.
local function remove(key) -- lazy
  redis.pcall('PEXPIRE', key, '0')
  redis.pcall('DEL', key)
end

-- The command that restores the present value of a hash field.
local function to_restore(key, field)
  local value = redis.call('HGET', key, field)
  if value then return {'HSET', key, field, value} end
  return {'HDEL', key, field}
end

-- Runs a function and returns its reply. If it fails, runs the commands of `undo`.
local function all_or_nothing(undo, run)
  local done, reply = pcall(run)
  if done then return reply end
  for i = 1, #undo do redis.pcall(unpack(undo[i])) end
  return as_reply(reply)
end
