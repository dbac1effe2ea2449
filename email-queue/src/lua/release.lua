-- Gives back what a stopping worker has claimed and not begun, to the front of its lane in the order it was claimed,
-- and takes the worker off the list of live ones. sending -> queued; no attempt is counted.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2…] per email, in the order of claiming: id, claim
-- Reply    {how many were given back}; one that is no longer this claim's is left alone

redis.call('ZREM', WORKERS, ARGV[1])
local released = 0
-- The last one first, so that the first one ends in front.
for i = #ARGV - 1, 2, -2 do
  local id = ARGV[i]
  local header = header_of(id)
  if is_held(header, ARGV[i + 1]) then
    let_go({id})
    list_first(id, lane_of(header))
    released = released + 1
  end
end
return {released}
