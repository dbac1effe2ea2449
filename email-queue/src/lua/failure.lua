-- The last failure of an email, and the progress of earlier attempts. An email that is sent at its first attempt has
-- neither.

-- The progress of earlier attempts: a JSON object of the hash's JSON fields.
local function progress_of(id) -- lazy
  local kept = redis.pcall('HMGET', failure_of(id), 'accepted', 'refused', 'timeouts')
  if not (kept[1] or kept[2] or kept[3]) then return '' end
  return '{"accepted":' .. (kept[1] or '[]') .. ',"refused":' .. (kept[2] or '{}') .. ',"timeouts":' .. (kept[3] or '0') .. '}'
end

-- Stores the progress for the next attempt. '' leaves a field unchanged.
local function keep_progress(id, accepted, refused, timeouts) -- lazy
  local fields = {}
  if accepted ~= '' then fields[1], fields[2] = 'accepted', accepted end
  if refused ~= '' then fields[#fields + 1], fields[#fields + 2] = 'refused', refused end
  if timeouts ~= '0' then fields[#fields + 1], fields[#fields + 2] = 'timeouts', timeouts end
  if fields[1] then redis.call('HSET', failure_of(id), unpack(fields)) end
  if timeouts == '0' then redis.call('HDEL', failure_of(id), 'timeouts') end
end

-- A duration as human-readable text.
local function duration_text(ms) -- lazy
  for _, unit in ipairs({{'days', 86400000}, {'hours', 3600000}, {'minutes', 60000}, {'seconds', 1000}}) do
    if ms >= 2 * unit[2] then return math.floor(ms / unit[2]) .. ' ' .. unit[1] end
  end
  return ms .. ' ms'
end

-- Until when a relay is held off, by the fields `until` and `probe_ends` of its state; nil if it is not. For five seconds longer than
-- the hold-off, because a worker must probe first.
local function held_until(ends, probe_ends)
  local last = math.max(tonumber(ends or 0), tonumber(probe_ends or 0))
  if last + 5000 >= now then return last end
end

-- Whether one of these relays, a line each as in their keys, is not held off.
local function any_is_free(relays)
  for relay in string.gmatch(relays, '%S+') do
    local state = redis.call('HMGET', relay_of(relay), 'until', 'probe_ends')
    if not held_until(state[1], state[2]) then return true end
  end
  return false
end

-- How many live workers hand emails to a relay, and how many to others that are not held off. Of those that do not say it is not known
-- that they do not. Looks at a hundred.
local function users_of(relay)
  local users, others = 0, 0
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', WORKERS, now, '+inf', 'LIMIT', 0, 100)) do
    local keys = redis.pcall('HGET', worker_of(worker), 'relay_keys')
    if type(keys) ~= 'string' or string.find(keys, relay, 1, true) then
      users = users + 1
    elseif any_is_free(keys) then
      others = others + 1
    end
  end
  return users, others
end

-- The relay that is held off, as in its key, and whether it keeps all emails waiting: a live worker that hands them to another relay goes
-- on. nil if none is held off, or if only such workers live.
local function relay_held_off()
  local relay = redis.call('GET', HELD_OFF)
  if not relay then return end
  local users, others = users_of(relay)
  if users > 0 or others == 0 then return relay, others == 0 end
end

-- Why this queue's relay is held off: {error, class}; {} if it is not.
local function hold_off_reason()
  local relay, keeps_all = relay_held_off()
  if not keeps_all then return {} end
  local state = redis.call('HMGET', relay_of(relay), 'until', 'probe_ends', 'error', 'class')
  if not held_until(state[1], state[2]) then return {} end
  return {state[3], state[4]}
end

-- The last failure as shown to clients: error or '', class or ''. For a slow delivery the error says so; for a waiting
-- email that was not tried it is the reason of the hold-off.
local function shown_failure(id, header, reason)
  local kept = redis.pcall('HMGET', failure_of(id), 'error', 'class', 'slow')
  local why, class = kept[1], kept[2]
  local state = state_of(header)
  if state == SENDING_STATE and kept[3] and string.sub(kept[3], 1, 5) == claim_of(header) then
    why, class = string.sub(kept[3], 7), ''
  elseif state == QUEUED and not why then
    if not reason.read then reason.read = hold_off_reason() end
    why, class = reason.read[1], reason.read[2]
  end
  return why or '', class or ''
end

-- A record as shown to clients, and its last error with class; nil if there is none. An unreadable record is shown as
-- the dead letter that a worker will make of it. `reason` is a cache that the caller keeps between emails. The record is
-- read up to byte `up_to`, or all of it with '-1'.
local function shown(id, reason, up_to)
  local record = redis.pcall('GETRANGE', record_of(id), '0', up_to)
  only_wrong_type(record)
  if record == '' then return end
  if is_header(record) then return record, shown_failure(id, record, reason) end
  local raw = type(record) == 'string' and record or ''
  return header_anew(id, FAILED_STATE .. accepted_at(id)) .. raw, 'its record in Redis cannot be read', 'unreadable'
end
