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

-- The JSON ends with the email's time, behind which the worker does not look for another one. An email that another program has pushed
-- has none there yet, and gets its present one: alone, that changes nothing.
local record, size, time = record_of(id), size_of(id), written_due(id)
if not time then
  local rest = string.match(redis.call('GETRANGE', record, -99, -1), '[^{%s]%s*(}%s*)$')
  if rest and #rest <= 27 then
    local by = 27 - #rest
    time = text_of(math.max(when_of(header), 1000000000000))
    local failed = all_or_nothing({{'HINCRBY', WAITING, 'bytes', -by}}, function()
      redis.call('HINCRBY', WAITING, 'bytes', by)
      redis.call('SETRANGE', record, size - #rest, ',"queue_due":' .. time .. '}')
      grow_recount(id, by)
    end)
    if failed then return failed end
    size = size + by
  end
end

local undo = {{'SETRANGE', record, '0', string.sub(header, 1, 23)}, {'ZADD', SCHEDULED, when_of(header), id}}
if time then undo[3] = {'SETRANGE', record, size - 14, time} end
return all_or_nothing(undo, function()
  redis.call('ZADD', SCHEDULED, due, id)
  move(id, SCHEDULED_STATE .. text_of(due))
  -- A number of JSON does not begin with a zero.
  if time then redis.call('SETRANGE', record, size - 14, text_of(math.max(due, 1000000000000))) end
  maintain_within(due - now)
  return {1}
end)
