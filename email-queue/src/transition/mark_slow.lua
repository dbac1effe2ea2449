-- Marks emails whose delivery takes long, for clients that look them up.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  the mark, as clients read it
-- ARGV[3…] per email: id, claim in five digits
-- Reply    {how many were marked}: those that are no longer this claim's are not

local worker, mark = ARGV[1], ARGV[2]
local ids, claims = claims_from(3)
local marked = 0
for i, header in ipairs(headers_in_flight(worker, ids)) do
  if is_in_flight(header, claims[i]) then
    -- With the claim's number: the mark is void once the claim has ended.
    redis.call('HSET', failures_of(ids[i]), 'slow', claims[i] .. ' ' .. mark)
    marked = marked + 1
  end
end
return {marked}
