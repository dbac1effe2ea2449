-- Imports entries that other programs have pushed with a plain LPUSH: gives each a record.

-- The API accepts no more. Reading more would risk the worker's memory.
local LARGEST = 40 * 1024 * 1024

-- An entry of at least this size is appended to its header, to avoid a copy.
local LARGE = 1024 * 1024

local IMPORT_REMEMBERED_MS = 24 * 60 * 60 * 1000

local function is_id(entry) -- lazy
  return #entry == 36 and string.find(entry, '^%x+%-%x+%-%x+%-%x+%-%x+$')
end

-- The ids of entries that this script has imported. For undo: the first `nth`, the index's `hint` before, and the
-- `bytes` before.
local imported = {} -- lazy

-- Creates a record for an entry that another program has pushed, and returns its id and header.
local function import(entry, lane) -- lazy
  -- A UUID v7 (RFC 9562 5.7) with a fraction of the millisecond, as the API makes them. The rest is a hash, because
  -- scripts have no randomness.
  local nth = redis.call('HINCRBY', TOTALS, 'adopted', 1)
  local hash = redis.sha1hex(queue .. ' ' .. time[1] .. ' ' .. time[2] .. ' ' .. nth)
  local ms, fraction = string.format('%012x', now), string.format('%03x', math.floor(time[2] % 1000 * 4.096))
  local variant = string.format('%x', 8 + tonumber(string.sub(hash, 1, 1), 16) % 4)
  -- The last three digits say the shard, `{emails:7}`; in shard 0 they may be any.
  local shard = tonumber(string.match(queue, '^{.*:(%d+)}$') or '')
  local digits = shard and shard < 4096 and string.format('%03x', shard) or string.sub(hash, 14, 16)
  local id = string.sub(ms, 1, 8) .. '-' .. string.sub(ms, 9, 12) .. '-7' .. fraction .. '-'
    .. variant .. string.sub(hash, 2, 4) .. '-' .. string.sub(hash, 5, 13) .. digits
  local header = QUEUED .. text_of(0) .. NEW .. string.format(' %-6s ', lane) .. NOW .. '\n'
  imported[#imported + 1], imported.nth = id, imported.nth or nth
  local hint = add_to_index({id})
  if imported.hint == nil then imported.hint = hint end
  local size = #header + #entry
  local bytes = redis.call('HINCRBY', WAITING, 'bytes', size)
  imported.bytes = imported.bytes or bytes - size
  if #entry < LARGE then
    redis.call('SET', record_of(id), header .. entry)
  else
    redis.call('SET', record_of(id), header)
    redis.call('APPEND', record_of(id), entry)
  end
  grow_recount(id, size)
  return id, header
end

-- Undoes the imports of this script. The caller puts the entries back.
local function undo_imports() -- lazy
  for _, id in ipairs(imported) do
    pcall(unindex, {id})
    redis.pcall('ZREM', INDEX, id)
    remove(record_of(id))
  end
  if imported.hint then redis.pcall('HSET', WAITING, 'index', imported.hint) end
  if imported.hint == false then redis.pcall('HDEL', WAITING, 'index') end
  if imported.bytes == 0 then
    redis.pcall('HDEL', WAITING, 'bytes')
  elseif imported.bytes then
    redis.pcall('HSET', WAITING, 'bytes', string.format('%.0f', imported.bytes))
  end
  -- A recount in progress may include them, so it restarts.
  if imported[1] and redis.pcall('HGET', WAITING, 'recount') then redis.pcall('HDEL', WAITING, 'recount', 'counted') end
  if imported.nth == 1 then redis.pcall('HDEL', TOTALS, 'adopted') end
  if (imported.nth or 0) > 1 then redis.pcall('HSET', TOTALS, 'adopted', imported.nth - 1) end
end

local function dead_letter_too_large(id) -- lazy
  dead_letter(id, 'too_large', 'larger than 40 MiB')
  count_failed('too_large', 1)
end

-- Imports an entry that BRPOP returned to a worker and that is not an id; `name` is the worker's name for it. Returns its
-- id and header, and true if an earlier call has imported it: its reply was lost, and the email is in flight. nil if there
-- is nothing to send, because the email is too large, or was requeued after the earlier call.
local function import_popped(worker, entry, name, lane) -- lazy
  local key = import_of(worker)
  local before = redis.call('GET', key)
  if before and string.sub(before, 38) == name then
    local id = string.sub(before, 1, 36)
    local header = redis.call('HGET', sending_of(worker), id)
    if not is_header(header) then return end
    return id, header, true
  end
  local id, header = import(entry, lane)
  redis.call('SET', key, id .. ' ' .. name, 'PX', IMPORT_REMEMBERED_MS)
  if #entry <= LARGEST then return id, header end
  dead_letter_too_large(id)
end
