-- Lists emails, newest first. Read-only.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many at the most
-- ARGV[2]  'after' (the older ones that follow a cursor), 'before' (the page of newer ones that ends at it), or ''
-- ARGV[3]  the cursor: an id, which need not exist any more; '' for none
-- ARGV[4]  only emails in this state; '' for any
-- Reply    {1 when more follow in that direction, else 0; the id up to which was looked, or '';
--           then per email its id, the beginning of its record, its last error or '', the class of that or ''}
-- Bounded: looks at 200 emails at most (then more may follow), and reads 32 KiB of each that it returns.

local other = other_version()
if other then return other end
local max, direction, cursor, wanted = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local SCAN_BUDGET, BEGINNING = 200, '32767'

local found, looked, more = {}, 0, 0
local reason = {}
local last = cursor
local ids
repeat
  ids = ids_beyond(last, direction)
  for _, id in ipairs(ids) do
    -- An unreadable record is shown as a dead letter, a missing one is omitted.
    local matches = wanted == '' or string.match(header_of(id) or 'failed', '%a+') == wanted
    if matches and #found == max or looked == SCAN_BUDGET then
      more = 1
      break
    end
    looked, last = looked + 1, id
    local record, why, class
    if matches then record, why, class = shown(id, reason, BEGINNING) end
    if record then found[#found + 1] = {id, record, why, class} end
  end
until more == 1 or #ids == 0

local reply = {more, last}
local first, final, step = 1, #found, 1
if direction == 'before' then first, final, step = #found, 1, -1 end
for i = first, final, step do
  for _, value in ipairs(found[i]) do reply[#reply + 1] = value end
end
return reply
