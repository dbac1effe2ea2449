-- Removes bodies of ended emails when there is no room for new ones. Works when Redis is full.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many bytes the records of all emails may have, or '' where it is Redis that is full
-- ARGV[2]  for how many bytes there is to be room; where Redis is full, how many are to become free
-- ARGV[3]  1 where Redis is full for these emails, whatever it is for others; else 0
-- Reply    {how many bytes became free; 1 when there is room now; 1 when there may be more to remove by another call, else 0}
-- Removes nothing if another call has made room meanwhile.

local limit, wanted, only_these = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
if limit ~= '' then
  wanted = tonumber(redis.call('HGET', WAITING, 'bytes') or 0) + wanted - tonumber(limit)
elseif not only_these and type(try_to_write()) == 'number' then
  wanted = 0
end
if wanted <= 0 then return {0, 1, 1} end
allow_write_when_full()
local freed, more = make_room(wanted)
return {freed, freed >= wanted and 1 or 0, more and 1 or 0}
