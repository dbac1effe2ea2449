-- Records outcomes of claimed emails, and claims the next ones. sending -> sent | delayed | queued | scheduled |
-- failed. One call for both, because a call costs Redis as much as an email or two.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  retention in ms: how long a sent email is kept, unless the email has its own retention
-- ARGV[3]  for the next emails: lease in ms,
-- ARGV[4]  how many at the most, 0 for none,
-- ARGV[5]  how many bytes of JSON at the most, the first email included
-- ARGV[6…] per email: ID, CLAIM in five digits, OUTCOME; unless that is 'sent', then also WHEN in ms; CLASS and ERROR, the
--          text of the failure; ACCEPTED: recipients served so far as a JSON array, REFUSED: those refused for good as a JSON
--          object, both '' for as before; TIMEOUTS in a row; RETRY_FOR: for how many ms from its first failure on an email
--          is tried; TOOK, for how many ms the worker had it; RELAY, by name
--          outcome 'sent'      at its first claim
--                  'sent_late' at a later one
--                  'delayed'   to be tried again `when` ms from now
--                  'postponed' the same, and counts as no attempt
--                  'returned'  to the front of its lane; counts as no attempt
--                  'scheduled' not tried: its time is `when`, in ms since 1970
--                  'failed'    a dead letter
-- Reply    how many outcomes there were; for each 1, or 2: it is a dead letter now, because its retry period is over, or 0: the
--          claim is not the last one (or the email was canceled), nothing was changed; then the next emails, as `claim` replies
--
-- After its lease has expired and the email was requeued, a worker may still report `sent` until the email is claimed
-- again: this avoids a duplicate.

-- Where the emails begin, and what each has; finish.rs writes them in this order.
local FIRST = 6
local FIELDS_SENT = 3
local FIELDS = 12
local ID = 0
local CLAIM = 1
local OUTCOME = 2
local WHEN = 3
local CLASS = 4
local ERROR = 5
local ACCEPTED = 6
local REFUSED = 7
local TIMEOUTS = 8
local RETRY_FOR = 9
local TOOK = 10
local RELAY = 11
local worker, retention = ARGV[1], tonumber(ARGV[2])
local lease, max, max_bytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local reply = {}
local ended, finished = {}, {}
local sent, sent_now = 0, SENT .. NOW
local sent_at_once = sent_now .. SENT_AT_ONCE
local others = {counts = {}, scheduled = {}, returned = {}, soonest = math.huge}

allow_write_when_full()
local ids, outcomes, last = {}, {}, #ARGV
local i = FIRST
while i <= last do
  local n = #ids + 1
  ids[n], outcomes[n] = ARGV[i + ID], i
  i = i + (ARGV[i + OUTCOME] == 'sent' and FIELDS_SENT or FIELDS)
end
reply[1] = #ids
for n, header in ipairs(headers_in_flight(worker, ids)) do
  local id, at = ids[n], outcomes[n]
  local claim, outcome = ARGV[at + CLAIM], ARGV[at + OUTCOME]
  local is_sent = outcome == 'sent' or outcome == 'sent_late'
  -- Nearly all are sent at their first claim.
  local is_first = header and counters_of(header) == CLAIMED_ONCE
  local given_up = false
  local ours = is_first and claim == '00001' or not is_first and is_in_flight(header, claim)
  if ours then
    ended[#ended + 1] = id
  elseif is_sent then
    header, is_first = header_of(id), false
    ours = header and claim_of(header) == claim and state_of(header) == QUEUED
    if ours then leave_one(lane_of(header), when_of(header)) end
  end
  if ours and is_sent then
    local beginning, kept = sent_at_once, retention_of(header) or retention
    if not is_first then
      local attempt = attempts_of(header) + 1
      -- Only emails that have failed or were recovered have a timeline.
      if redis.call('UNLINK', failure_of(id)) == 1 or recovered_of(header) > 0 then
        local detail = {attempt = attempt, worker = worker, took = ARGV[at + TOOK], relay = ARGV[at + RELAY]}
        end_timeline('RPUSHX', id, 'sent', detail, kept)
      end
      beginning = sent_now .. counters(claims_of(header), attempt, recovered_of(header))
    end
    move(id, beginning)
    local with = finished[kept]
    if with then with[#with + 1] = id else finished[kept] = {id} end
    sent = sent + 1
  elseif ours then
    given_up = record_other(others, id, header, {
      outcome = outcome, when = tonumber(ARGV[at + WHEN]), class = ARGV[at + CLASS], why = ARGV[at + ERROR],
      accepted = ARGV[at + ACCEPTED], refused = ARGV[at + REFUSED], timeouts = ARGV[at + TIMEOUTS],
      retry_for = tonumber(ARGV[at + RETRY_FOR]), worker = worker, took = ARGV[at + TOOK], relay = ARGV[at + RELAY],
    })
  end
  reply[n + 1] = given_up and 2 or ours and 1 or 0
end

local soonest = others.soonest
call_with('ZADD', SCHEDULED, others.scheduled)
for lane, those in pairs(others.returned) do push_front_in_order(lane, those) end
for kept, those in pairs(finished) do
  expire_in(kept, those)
  soonest = math.min(soonest, kept)
end
if soonest < math.huge then maintain_within(soonest) end
count('sent', sent)
for what, by in pairs(others.counts) do count(what, by) end
if others.counts.delayed then count_delayed(others.counts.delayed) end
-- Last, so that after a failure above all outcomes can be reported again.
call_with('HDEL', sending_of(worker), ended)

-- An error here is ignored, because the outcomes are recorded; the next claim reports it.
if max > 0 then claim_into(reply, worker, lease, max, max_bytes, max_bytes, '', '', '') end
return reply
