-- The outcomes of a claimed email that was not sent.

-- Whether an email's retry period is over. It begins with the first failure.
local function is_over(id, retry_for) -- lazy
  if redis.call('HSETNX', failure_of(id), 'since', NOW) == 1 then return false end
  return now - (tonumber(redis.call('HGET', failure_of(id), 'since')) or now) >= retry_for
end

-- Attempts that each outcome counts as.
local ATTEMPTS = {delayed = 1, failed = 1, postponed = 0, returned = 0, scheduled = 0} -- lazy

-- Records one outcome, `ended`, whose fields are those that `finish` takes. Adds to `others` what the caller does for all
-- together: `scheduled`, times and ids for the set of that name; `returned`, {id, counters} by lane, for the front of the lanes;
-- `counts`, by how much to raise which of the TOTALS; and `soonest`, the earliest of the times in ms from now. Returns whether
-- the email is a dead letter because its retry period is over.
local function record_other(others, id, header, ended) -- lazy
  local outcome, class, why, counts = ended.outcome, ended.class, ended.why, others.counts
  local attempts = attempts_of(header) + ATTEMPTS[outcome]
  local counted = counters(claims_of(header), attempts, recovered_of(header))
  local failures = failures_of(id)
  local function raise(what) counts[what] = (counts[what] or 0) + 1 end
  if outcome ~= 'scheduled' then keep_progress(id, ended.accepted, ended.refused, ended.timeouts) end
  local tries = outcome == 'delayed' or outcome == 'postponed'
  local given_up = tries and is_over(id, ended.retry_for)
  if given_up then
    outcome, why = 'failed', 'given up after ' .. duration_text(ended.retry_for) .. '; the last failure (' .. class .. '): ' .. why
    class = 'given_up'
  end
  local attempt = ATTEMPTS[ended.outcome] == 1 and attempts or nil
  local detail = {attempt = attempt, worker = ended.worker, took = ended.took, relay = ended.relay}
  if outcome == 'failed' then
    dead_letter(id, class, why, counted, detail)
    raise('failed')
    raise('failed:' .. class)
    return given_up
  end
  local state, when = SCHEDULED_STATE, ended.when
  if outcome ~= 'scheduled' then
    redis.call('HSET', failures, 'error', why, 'class', class)
    detail.class, detail.answer = class, why
    add_to_timeline(id, outcome, detail)
    if outcome == 'returned' then
      redis.call('HSETNX', failures, 'since', NOW)
      local lane = lane_of(header)
      local those = others.returned[lane]
      if those then those[#those + 1] = {id, counted} else others.returned[lane] = {{id, counted}} end
      return
    end
    state, when = DELAYED, now + when
    if outcome == 'delayed' then raise('retried') end
    raise('delayed')
    raise('delayed:' .. class)
  end
  local due = text_of(when)
  move(id, state .. due .. counted)
  local n = #others.scheduled
  others.scheduled[n + 1], others.scheduled[n + 2] = due, id
  others.soonest = math.min(others.soonest, when - now)
end
