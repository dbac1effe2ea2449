-- Deletes emails that have ended and are past their retention.
--
-- KEYS[1]  the queue
-- ARGV[1]  about how many at the most
-- Reply    {how many were deleted, 1 when there may be more to do at once, else 0}

local batch = tonumber(ARGV[1])
local expired, freed, more = 0, 0, 0
local recounts = redis.call('HEXISTS', WAITING, 'recount') == 1
for _, set in ipairs({FINISHED, EMPTIED}) do
  -- Each member is up to a hundred emails.
  local members, more_members = due(set, math.ceil(batch / 20))
  more = math.max(more, more_members)
  for _, those in ipairs(members) do
    if expired >= batch then
      more = 1
      break
    end
    redis.call('ZREM', set, those)
    local ids, keys = {}, {}
    for id in string.gmatch(those, '%S+') do
      ids[#ids + 1] = id
      local n = #keys
      keys[n + 1], keys[n + 2], keys[n + 3] = record_of(id), failure_of(id), timeline_of(id)
      local size = size_of(id)
      if size == 0 then request_recount() end
      if recounts then grow_recount(id, -size) end
      freed = freed + size
    end
    redis.call('UNLINK', unpack(keys))
    unindex(ids)
    expired = expired + #ids
  end
end
shrink_all(freed)
return {expired, more}
