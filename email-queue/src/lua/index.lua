-- The index of all ids, sharded into listpack-encoded lists of about 64 ids. Each list is named by its first id; a
-- sorted set has these names.
--
-- An id belongs to the list with the highest name that is not above it. Within a list ids are in order of arrival:
-- `list` sorts a few cheaply, while a sorted set would sort on each insert. Ids arrive almost in order, so the last
-- list fills up and the next begins. A late id goes to the list it belongs to.

local FULL = 64

-- The name of the list that an id belongs to, nil when it is below all of them; and the name that follows, nil when there
-- is none.
local function names_around(id) -- lazy
  return redis.call('ZREVRANGEBYLEX', INDEX, '[' .. id, '-', 'LIMIT', 0, 1)[1],
    redis.call('ZRANGEBYLEX', INDEX, '(' .. id, '+', 'LIMIT', 0, 1)[1]
end

-- Whether all ids of a list are below this one.
local function ends_below(name, id) -- lazy
  for _, other in ipairs(redis.call('LRANGE', ids_from(name), 0, -1)) do
    if other >= id then return false end
  end
  return true
end

-- Adds ids. `hint` is the field `index` of WAITING, or false: the last list, and how many ids were put into it. Returns
-- what the field becomes; nil for no change.
--
-- With the hint an id that comes after all others, as nearly all do, costs one command.
local function index_with(hint, ids) -- lazy
  local last, filled
  if hint then last, filled = string.sub(hint, 1, 36), tonumber(string.sub(hint, 38)) end
  local i = 1
  while i <= #ids do
    local first = ids[i]
    local name, room, above
    if last and first > last then
      name, room = last, FULL - filled
    else
      name, above = names_around(first)
      room = name and FULL - redis.call('LLEN', ids_from(name)) or 0
    end
    if room <= 0 and (not name or ends_below(name, first)) then
      redis.call('ZADD', INDEX, 0, first)
      name, room = first, FULL
    end
    -- All that follow and belong to the same list, while it has room.
    local members = {first}
    i = i + 1
    while ids[i] and #members < room and ids[i] > name and not (above and ids[i] >= above) do
      members[#members + 1] = ids[i]
      i = i + 1
    end
    redis.call('RPUSH', ids_from(name), unpack(members))
    if not above then last, filled = name, FULL - room + #members end
  end
  return last and last .. ' ' .. filled
end

-- The same for one id.
local function index_one(hint, id)
  if hint and id > string.sub(hint, 1, 36) then
    local filled = tonumber(string.sub(hint, 38))
    if filled < FULL then
      local name = string.sub(hint, 1, 36)
      redis.call('RPUSH', ids_from(name), id)
      return name .. ' ' .. filled + 1
    end
  end
  return index_with(hint, {id})
end

-- Returns the field `index` of WAITING as it was before.
local function add_to_index(ids) -- lazy
  local before = redis.call('HGET', WAITING, 'index')
  local hint = index_with(before, ids)
  if hint then redis.call('HSET', WAITING, 'index', hint) end
  return before
end

local function unindex(ids) -- lazy
  table.sort(ids)
  local i = 1
  while i <= #ids do
    local name, above = names_around(ids[i])
    -- All that belong to the same list.
    repeat
      if name then redis.call('LREM', ids_from(name), 1, ids[i]) end
      i = i + 1
    until i > #ids or above and ids[i] >= above
    if name and redis.call('EXISTS', ids_from(name)) == 0 then
      redis.call('ZREM', INDEX, name)
      redis.call('HDEL', WAITING, 'index')
    end
  end
end

-- The ids that come after `id` in a direction, 'before' for the newer ones or else the older ones, in that order: some
-- of them, and none only when there are none.
local function ids_beyond(id, direction)
  local newer = direction == 'before'
  local names = redis.call('ZREVRANGEBYLEX', INDEX, id == '' and '+' or '[' .. id, '-', 'LIMIT', 0, newer and 1 or 4)
  if newer then
    for _, name in ipairs(redis.call('ZRANGEBYLEX', INDEX, '(' .. id, '+', 'LIMIT', 0, 4)) do names[#names + 1] = name end
  end
  local ids, last, is_sorted = {}, nil, true
  for _, name in ipairs(names) do
    local those = redis.call('LRANGE', ids_from(name), 0, -1)
    local first, final, step = #those, 1, -1
    if newer then first, final, step = 1, #those, 1 end
    for i = first, final, step do
      local other = those[i]
      if id == '' or newer and other > id or not newer and other < id then
        -- Nearly always they are in order already.
        if last and (last > other) == newer then is_sorted = false end
        ids[#ids + 1], last = other, other
      end
    end
  end
  if not is_sorted then table.sort(ids, function(a, b) if newer then return a < b else return a > b end end) end
  return ids
end
