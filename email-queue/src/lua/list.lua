-- Lists emails, the newest first. Changes nothing.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many at the most
-- ARGV[2]  'after' (the older ones that follow a cursor), 'before' (the page of newer ones that ends at it), or ''
-- ARGV[3]  the cursor: an id, which need not exist any more
-- ARGV[4]  only emails in this state; '' for any
-- ARGV[5…] the fields of a record to reply with
-- Reply    {1 when more follow in that direction, else 0; the id up to which was looked, or '';
--           then per email its id and the fields, '' where there is none}
-- Bounded twice: it looks at 10,000 emails at the most, and stops after 4 MiB. Both count as more to follow.

local max, direction, cursor, wanted = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local LOOKS, BYTES, CHUNK = 10000, 4 * 1024 * 1024, 200

local function next_ids(from)
  if direction == 'before' then
    return redis.call('ZRANGEBYLEX', INDEX, '(' .. from, '+', 'LIMIT', 0, CHUNK)
  end
  return redis.call('ZREVRANGEBYLEX', INDEX, from == '' and '+' or '(' .. from, '-', 'LIMIT', 0, CHUNK)
end

local found, bytes, looked, more = {}, 0, 0, 0
local last = cursor
local ids
repeat
  ids = next_ids(last)
  for _, id in ipairs(ids) do
    local matches = wanted == '' or redis.call('HGET', record_of(id), 'state') == wanted
    if matches and (#found == max or bytes > BYTES) or looked == LOOKS then
      more = 1
      break
    end
    looked, last = looked + 1, id
    if matches then
      local fields = redis.call('HMGET', record_of(id), unpack(ARGV, 5))
      for i = 1, #ARGV - 4 do
        fields[i] = fields[i] or ''
        bytes = bytes + #fields[i]
      end
      found[#found + 1] = {id, fields}
    end
  end
until more == 1 or #ids < CHUNK

local reply = {more, last}
local first, final, step = 1, #found, 1
if direction == 'before' then first, final, step = #found, 1, -1 end
for i = first, final, step do
  reply[#reply + 1] = found[i][1]
  for _, field in ipairs(found[i][2]) do reply[#reply + 1] = field end
end
return reply
