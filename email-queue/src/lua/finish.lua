-- Records what became of claimed emails. sending -> sent | delayed | scheduled | failed.
--
-- KEYS[1]  the queue
-- ARGV[1]  retention in ms: how long a sent email is kept, where the email does not say itself
-- ARGV[2…] per email: id, claim, outcome, when in ms, error, recipients served so far as a JSON array or '' (as before)
--          outcome 'sent'
--                  'delayed'   to be tried again `when` ms from now
--                  'scheduled' not tried: its time is `when`, in ms since 1970
--                  'failed'    a dead letter
-- Reply    per email 1, or 0: the claim is not the last one (or the email was canceled), nothing was changed
--
-- A worker that was slow, so that its lease ended and the sweep listed the email again, may still say that it is
-- sent as long as nobody else has claimed it: better than sending it twice.

local retention = tonumber(ARGV[1])
local reply = {}
local totals = {sent = 0, delayed = 0, scheduled = 0, failed = 0}

for i = 2, #ARGV, 6 do
  local id, claim, outcome = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local when, why, accepted = tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5]
  local record = record_of(id)
  local fields = redis.call('HMGET', record, 'state', 'claims', 'lane', 'retention')
  local state = fields[1]
  local ours = fields[2] == claim and (state == 'sending' or (state == 'queued' and outcome == 'sent'))
  if ours then
    redis.call('ZREM', SENDING, id)
    if state == 'queued' then redis.call('ZREM', waiting_in(fields[3]), id) end
    if outcome ~= 'scheduled' then redis.call('HINCRBY', record, 'attempts', 1) end
    if accepted ~= '' then redis.call('HSET', record, 'accepted', accepted) end
    if outcome == 'failed' then
      bury(id, why)
    elseif outcome == 'sent' then
      redis.call('HSET', record, 'state', 'sent', 'finished', now)
      redis.call('HDEL', record, 'worker', 'due', 'error')
      redis.call('ZADD', FINISHED, now + (tonumber(fields[4]) or retention), id)
    else
      local due = when
      if outcome == 'delayed' then
        due = now + when
        redis.call('HSET', record, 'error', why)
      end
      redis.call('HSET', record, 'state', outcome, 'due', due)
      redis.call('HDEL', record, 'worker')
      redis.call('ZADD', SCHEDULED, due, id)
    end
    totals[outcome] = totals[outcome] + 1
  end
  reply[#reply + 1] = ours and 1 or 0
end

count('sent', totals.sent)
count('retried', totals.delayed)
count('failed', totals.failed)
return reply
