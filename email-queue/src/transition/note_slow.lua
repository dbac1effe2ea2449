-- Marks emails whose delivery takes long, for clients that look them up.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  what is said of them
-- ARGV[3…] per email: id, claim in five digits
-- Reply    {how many were noted}: those that are no longer this claim's are not

local worker = ARGV[1]
local ids, claims = {}, {}
for i = 3, #ARGV, 2 do ids[#ids + 1], claims[#claims + 1] = ARGV[i], ARGV[i + 1] end
local noted = 0
for i, header in ipairs(headers_held(worker, ids)) do
  if is_held(header, claims[i]) then
    -- With the claim's number: the mark is void once the claim has ended.
    redis.call('HSET', failures_of(ids[i]), 'slow', claims[i] .. ' ' .. ARGV[2])
    noted = noted + 1
  end
end
return {noted}
