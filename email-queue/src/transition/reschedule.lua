-- Reschedules an email. scheduled -> scheduled.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  its new time in ms since 1970; one that is over is due at the next maintenance
-- ARGV[3]  'again' when the answer to the same call was lost: an email that has become due was moved by that
-- Reply    {1} moved; {0} there is no such email; {2, state} it does not wait for its time: nothing was changed

local other = other_version()
if other then return other end
local id, due, again = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local header = header_of(id)
if not header then return {0} end
local state = state_of(header)
if again and due <= now and state ~= SCHEDULED_STATE and state ~= CANCELED then return {1} end
if state ~= SCHEDULED_STATE then return {2, string.match(state, '%a+')} end

-- The JSON of an email that was scheduled from the beginning ends with its time, `,"due":DIGITS}`.
local record = record_of(id)
local ends_with_time = string.match(redis.call('GETRANGE', record, -21, -1), '^,"due":%d+}$')

local undo = {{'SETRANGE', record, '0', string.sub(header, 1, 23)}, {'ZADD', SCHEDULED, when_of(header), id}}
local digits_at = redis.call('STRLEN', record) - 14
if ends_with_time then undo[3] = {'SETRANGE', record, digits_at, string.sub(ends_with_time, 8, 20)} end
return all_or_nothing(undo, function()
  redis.call('ZADD', SCHEDULED, due, id)
  move(id, SCHEDULED_STATE .. text_of(due))
  -- A number of JSON does not begin with a zero.
  if ends_with_time then redis.call('SETRANGE', record, digits_at, text_of(math.max(due, 1000000000000))) end
  maintain_within(due - now)
  return {1}
end)
