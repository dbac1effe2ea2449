-- Records what became of claimed emails. sending -> sent | delayed | scheduled | failed.
--
-- KEYS[1]  the queue
-- ARGV[1]  retention in ms: how long a sent email is kept, where the email does not say itself
-- ARGV[2…] per email: id, claim, outcome; unless that is 'sent', then also when in ms, error, recipients served so far
--          as a JSON array or '' (as before)
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
local sent, delayed, failed = 0, 0, 0
local ended, finished, scheduled = {}, {}, {}
local forget_at = text_of(now + retention)
local soonest = math.huge

local function record_sent(id, claim, header)
  if state_of(header) == QUEUED then leave({[lane_of(header)] = {when_of(header)}}) end
  local counted = SENT_AT_ONCE
  if counters_of(header) ~= CLAIMED_ONCE then
    if attempts_of(header) > 0 then redis.call('UNLINK', failure_of(id)) end
    counted = counters(claim, attempts_of(header) + 1, recovered_of(header))
  end
  move(id, SENT, NOW, counted)
  local own = retention_of(header)
  finished[#finished + 1] = own and text_of(now + own) or forget_at
  finished[#finished + 1] = id
  soonest = math.min(soonest, own or retention)
  sent = sent + 1
end

local function record_other(id, claim, header, outcome, when, why, accepted)
  local attempts = attempts_of(header)
  if outcome ~= 'scheduled' then attempts = attempts + 1 end
  local counted = counters(claim, attempts, recovered_of(header))
  if accepted ~= '' then redis.call('HSET', failure_of(id), 'accepted', accepted) end
  if outcome == 'failed' then
    bury(id, why, counted)
    failed = failed + 1
    return
  end
  local state = SCHEDULED_STATE
  if outcome == 'delayed' then
    state, when = DELAYED, now + when
    redis.call('HSET', failure_of(id), 'error', why)
    delayed = delayed + 1
  end
  local due = text_of(when)
  move(id, state, due, counted)
  scheduled[#scheduled + 1] = due
  scheduled[#scheduled + 1] = id
  soonest = math.min(soonest, when - now)
end

write_though_full()
local i = 2
while i <= #ARGV do
  local id, claim, outcome = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local header = header_of(id)
  local state = header and claims_of(header) == claim and state_of(header)
  local ours = state == SENDING_STATE or (state == QUEUED and outcome == 'sent')
  if ours then
    ended[#ended + 1] = id
    if outcome == 'sent' then
      record_sent(id, claim, header)
    else
      record_other(id, claim, header, outcome, tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5])
    end
  end
  reply[#reply + 1] = ours and 1 or 0
  i = i + (outcome == 'sent' and 3 or 6)
end

let_go(ended)
call_with('ZADD', SCHEDULED, scheduled)
call_with('ZADD', FINISHED, finished)
if soonest < math.huge then sweep_within(soonest) end
count('sent', sent)
count('retried', delayed)
count('failed', failed)
return reply
