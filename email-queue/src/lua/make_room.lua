-- Removes bodies of emails that have ended, where there is no room for new ones; also in a Redis that is full.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many bytes are wanted
-- Reply    {how many bytes became free; 1 when there may be more to remove by another call, else 0}

write_though_full()
local freed, more = make_room(tonumber(ARGV[1]))
return {freed, more and 1 or 0}
