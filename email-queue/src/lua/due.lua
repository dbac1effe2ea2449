-- Up to `max` members of a sorted set whose score, a time, has come; and 1 when there may be more of them, else 0.
local function due(set, max)
  local members = redis.call('ZRANGEBYSCORE', set, '-inf', now, 'LIMIT', 0, max)
  return members, #members == max and 1 or 0
end
