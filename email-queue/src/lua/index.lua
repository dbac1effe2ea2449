-- Every id that is known, in order. Sorted sets of about 64 ids, each named by the first id that it was made for, so
-- small that Redis packs them; and one more sorted set of these names.
--
-- An id belongs to the set with the highest name that is not above it. Ids come almost in order, so the last set fills
-- and the next is begun; one that comes late goes where it belongs, and its set grows by one.

local FULL = 64

local function ids_from(name) return INDEX .. ':' .. name end

-- The name of the set that an id belongs to; nil when it is below all of them.
local function name_for(id) return redis.call('ZREVRANGEBYLEX', INDEX, '[' .. id, '-', 'LIMIT', 0, 1)[1] end

local function index(ids)
  local i = 1
  while i <= #ids do
    local first = ids[i]
    local name = name_for(first)
    local room = name and FULL - redis.call('ZCARD', ids_from(name)) or 0
    if room <= 0 and not (name and redis.call('ZREVRANGE', ids_from(name), 0, 0)[1] >= first) then
      redis.call('ZADD', INDEX, 0, first)
      name, room = first, FULL
    end
    -- All that follow and belong to the same set, while it has room.
    local above = ids[i + 1] and redis.call('ZRANGEBYLEX', INDEX, '(' .. first, '+', 'LIMIT', 0, 1)[1]
    local members = {0, first}
    i = i + 1
    while ids[i] and #members < 2 * room and ids[i] > name and not (above and ids[i] >= above) do
      members[#members + 1], members[#members + 2] = 0, ids[i]
      i = i + 1
    end
    redis.call('ZADD', ids_from(name), unpack(members))
  end
end

local function unindex(ids)
  table.sort(ids)
  local i = 1
  while i <= #ids do
    local name = name_for(ids[i])
    local above = redis.call('ZRANGEBYLEX', INDEX, '(' .. ids[i], '+', 'LIMIT', 0, 1)[1]
    -- All that follow and belong to the same set.
    local members = {}
    repeat
      members[#members + 1] = ids[i]
      i = i + 1
    until i > #ids or above and ids[i] >= above
    if name then
      redis.call('ZREM', ids_from(name), unpack(members))
      if redis.call('EXISTS', ids_from(name)) == 0 then redis.call('ZREM', INDEX, name) end
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
  local command, to = 'ZREVRANGEBYLEX', '-'
  if newer then command, to = 'ZRANGEBYLEX', '+' end
  local ids = {}
  for _, name in ipairs(names) do
    local found = redis.call(command, ids_from(name), id == '' and '+' or '(' .. id, to, 'LIMIT', 0, 200)
    for _, other in ipairs(found) do ids[#ids + 1] = other end
    if #found == 200 then break end
  end
  return ids
end
