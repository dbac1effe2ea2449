-- Makes room by removing the bodies of ended emails. The rest of the record stays for the retention.

-- How much of a record is read to find what stays. The first is enough for nearly all; content beyond the last is
-- removed too.
local BEGINNINGS = {'4095', '32767'}

-- The bodies of an email: its texts and files.
local BODIES = {text = true, html = true, message = true, attachments = true}

-- The end of the field's value that begins here: the position of the comma or brace after it. nil if it is beyond the
-- text.
local function end_of_value(json, at)
  local depth = 0
  while true do
    local found = string.find(json, '[][{}",]', at)
    if not found then return end
    local mark = string.sub(json, found, found)
    if mark == '"' then
      local quote = found
      repeat
        quote = string.find(json, '"', quote + 1, true)
        if not quote then return end
        -- Escaped, if there is an odd number of backslashes before it.
        local before = quote - 1
        while string.byte(json, before) == 92 do before = before - 1 end
      until (quote - before) % 2 == 1
      found = quote
    elseif mark == '{' or mark == '[' then
      depth = depth + 1
    elseif depth == 0 then
      return found
    elseif mark ~= ',' then
      depth = depth - 1
    end
    at = found + 1
  end
end

-- The JSON of an email without its bodies, how far it was read, and whether that was far enough. If from, to and
-- subject come first, as the API writes them, only bodies follow the first body.
local function without_bodies(json)
  local fields, has = {}, {}
  local at = string.match(json, '^\239?\187?\191?%s*{%s*()')
  while at do
    local name, value_at = string.match(json, '^"([%w_-]*)"%s*:%s*()', at)
    if not name then break end
    if BODIES[name] and has.from and has.to and has.subject then return '{' .. table.concat(fields, ',') .. '}', at, true end
    local value_end = end_of_value(json, value_at)
    if not value_end then break end
    has[name] = true
    if not BODIES[name] then fields[#fields + 1] = string.sub(json, at, value_end - 1) end
    at = string.match(json, '^,%s*()', value_end)
  end
  return '{' .. table.concat(fields, ',') .. '}', #json, false
end

-- Removes the bodies of an ended email, and writes their size into its header. Returns the bytes freed, and the bytes
-- read.
local function remove_bodies(id)
  local size = size_of(id)
  local record, header_ends, kept, read, is_enough
  for _, beginning in ipairs(BEGINNINGS) do
    record = redis.pcall('GETRANGE', record_of(id), '0', beginning)
    only_wrong_type(record)
    if not is_header(record) then return 0, 0 end
    local state = state_of(record)
    if state ~= SENT and state ~= CANCELED then return 0, 0 end
    header_ends = string.find(record, '\n', 59, true)
    kept, read, is_enough = without_bodies(string.sub(record, header_ends + 1))
    if is_enough or #record == size then break end
  end
  local header = string.sub(record, 1, header_ends - 1)
  if #header == 58 then header = header .. ' ' end
  local stripped = header .. ' ' .. size - header_ends - #kept .. '\n' .. kept
  local freed = size - #stripped
  if freed <= 0 then return 0, read end
  redis.call('SET', record_of(id), stripped)
  grow_recount(id, -freed)
  return freed, read
end

-- Removes bodies of ended emails until so many bytes are freed, those first whose retention ends first. Returns the
-- bytes freed, and whether there may be more. Bounded in emails and bytes read, so it may have to be called again.
local function make_room(wanted)
  local freed, emails, bytes_read, more = 0, 0, 0, true
  while freed < wanted and emails < 200 and bytes_read < 262144 do
    local oldest = redis.call('ZRANGE', FINISHED, 0, 0, 'WITHSCORES')
    more = oldest[1] ~= nil
    if not more then break end
    redis.call('ZREM', FINISHED, oldest[1])
    redis.call('ZADD', EMPTIED, oldest[2], oldest[1])
    for id in string.gmatch(oldest[1], '%S+') do
      local its_bytes, read = remove_bodies(id)
      freed, emails, bytes_read = freed + its_bytes, emails + 1, bytes_read + read
    end
  end
  shrink_all(freed)
  return freed, more
end
