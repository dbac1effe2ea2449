-- What workers have in flight: one hash per worker, id -> header when claimed. A worker has its emails
-- until its lease expires; there is one lease for all of them.

-- The emails that a call names from this argument on, each by its id and the claim of it, in the order in which
-- claim_ref.rs writes them: the ids, and the claims.
local function claims_from(first)
  local ids, claims = {}, {}
  for i = first, #ARGV, 2 do ids[#ids + 1], claims[#claims + 1] = ARGV[i], ARGV[i + 1] end
  return ids, claims
end

-- The worker that has an email in flight, and the end of its lease in ms since 1970; nil if there is none.
local function holder_of(id) -- lazy
  local workers = redis.call('ZRANGE', WORKERS, 0, -1, 'WITHSCORES')
  for i = 1, #workers, 2 do
    if redis.call('HGET', sending_of(workers[i]), id) then return workers[i], tonumber(workers[i + 1]) end
  end
end

-- For each of these emails its header if the worker has it in flight, else false.
local function headers_in_flight(worker, ids)
  if not ids[1] then return {} end
  local headers = redis.call('HMGET', sending_of(worker), unpack(ids, 1, math.min(1000, #ids)))
  for i = 1001, #ids, 1000 do
    local more = redis.call('HMGET', sending_of(worker), unpack(ids, i, math.min(i + 999, #ids)))
    for n, header in ipairs(more) do headers[i + n - 1] = header end
  end
  return headers
end

-- Whether an email is in flight under this claim, and not a later one. The header was validated at the claim.
local function is_in_flight(header, claim)
  return header and claim_of(header) == claim and (counters_of(header) == CLAIMED_ONCE or is_header(header))
end

-- After this many claims an email that is returned untouched goes to the back. It may be what breaks the worker's
-- connection, and must not block the lane for ever.
local CLAIMS_IN_FRONT = 20

-- Requeues emails that no worker has begun, in front and in this order. Not a recovery, as no worker died. Returns the
-- count. Emails that are not `sending` were requeued by an earlier call that failed later.
local function release(emails)
  local released = 0
  for i = #emails, 1, -1 do
    local id = emails[i]
    local header = header_of(id)
    if not header then
      dead_letter_unreadable(id)
    elseif state_of(header) == SENDING_STATE then
      local push = claims_of(header) > CLAIMS_IN_FRONT and push_back or push_front
      push(id, lane_of(header))
      released = released + 1
    end
  end
  return released
end

-- How long workers have to renew their leases after Redis was unreachable, in ms.
local RENEWAL_GRACE = 10000

-- How far apart maintenance may be while emails wait, in ms.
local BETWEEN_MAINTENANCE = 1500

-- The time by which all workers must have renewed after the last gap: half a lease in which no worker renewed, as when
-- Redis was unreachable. 0 if there was no gap. A lease that expires before that time does not show that its worker is
-- dead.
--
-- The call itself counts as a heartbeat: with a lease that of a claiming or renewing worker, without one that of a
-- worker that does maintenance.
local function renewal_deadline(lease)
  local last, since, last_lease = string.match(redis.call('GET', ALIVE) or '', '^(%d+) (%d+) (%d+)$')
  if not last and not lease then return 0 end
  local longest = (lease or last_lease) / 2 + (lease and 0 or BETWEEN_MAINTENANCE)
  if last and now - last > longest then since = NOW end
  since, lease = since or '0', lease or tonumber(last_lease)
  redis.call('SET', ALIVE, NOW .. ' ' .. since .. ' ' .. string.format('%.0f', lease))
  return since == '0' and 0 or tonumber(since) + math.min(lease, RENEWAL_GRACE)
end
