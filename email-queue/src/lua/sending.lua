-- What workers have in flight: for each worker a hash of its emails, id -> header as it was when claimed. They are its own
-- until its lease is over, which is one for all.

-- Those of these emails that a worker has in flight: for each its header, or false.
local function headers_held(worker, ids)
  if not ids[1] then return {} end
  local headers = redis.call('HMGET', sending_of(worker), unpack(ids, 1, math.min(1000, #ids)))
  for i = 1001, #ids, 1000 do
    local more = redis.call('HMGET', sending_of(worker), unpack(ids, i, math.min(i + 999, #ids)))
    for n, header in ipairs(more) do headers[i + n - 1] = header end
  end
  return headers
end

-- Whether an email is in flight under this claim, and no later one. That the header is one was seen when it was claimed.
local function is_held(header, claim)
  return header and claim_of(header) == claim and (counters_of(header) == CLAIMED_ONCE or is_header(header))
end

-- How often an email may be claimed and keep its place at the front when it comes back untouched: if it is what breaks
-- the line to its worker, it must not do so before all others for ever.
local CLAIMS_IN_FRONT = 20

-- Requeues what no worker has begun, in front and in this order. This is no recovery: no worker died. Returns how many.
-- What is not in flight by its record has been given back already, by a call that then failed.
local function give_back(emails)
  local given_back = 0
  for i = #emails, 1, -1 do
    local id = emails[i]
    local header = header_of(id)
    if not header then
      dead_letter_unreadable(id)
    elseif state_of(header) == SENDING_STATE then
      local list = claims_of(header) > CLAIMS_IN_FRONT and list_last or list_first
      list(id, lane_of(header))
      given_back = given_back + 1
    end
  end
  return given_back
end

-- Requeues what was taken from a worker: the first time in front, because it has waited; from
-- the second time on behind the others, because an email that kills every worker that touches it must not hold up its
-- lane; and in the end as a dead letter. Returns how many were listed, and how many became dead
-- letters. What is not in flight by its record has been listed already, by a call that then failed.
local function recover(emails, max_recoveries)
  table.sort(emails)
  local others, listed, dead_lettered, unreadable = {}, 0, 0, 0
  -- From the newest to the oldest, so that the oldest ends in front.
  for i = #emails, 1, -1 do
    local id, header = emails[i], header_of(emails[i])
    local times = header and recovered_of(header) + 1
    local counted = header and counters(claims_of(header), attempts_of(header), times)
    if not header then
      dead_letter_unreadable(id)
      unreadable = unreadable + 1
    elseif state_of(header) ~= SENDING_STATE then
      -- Nothing is left to do.
    elseif times > max_recoveries then
      dead_letter(id, 'recovered', 'given up: ' .. times .. ' workers died or lost Redis while they had it in flight', counted)
      dead_lettered = dead_lettered + 1
    else
      listed = listed + 1
      if times == 1 then
        list_first(id, lane_of(header), counted)
      else
        others[#others + 1] = {id, lane_of(header), counted}
      end
    end
  end
  for i = #others, 1, -1 do list_last(unpack(others[i])) end
  count('recovered', listed)
  count('failed', dead_lettered)
  return listed, dead_lettered + unreadable
end

-- How long after a time without Redis a worker may take to come back and renew its lease, in ms.
local RETURN = 10000

-- How far apart maintenance may be while emails wait, in ms.
local BETWEEN_MAINTENANCE = 1500

-- When all workers must have come back from the last time that none of them gave a sign of life for half a lease, as when
-- Redis was away; 0 when there was no such time. A lease that ends before that says nothing of its worker.
--
-- The call is itself a sign of life: of a worker with the given lease, or with none of a worker that does maintenance.
local function all_back_at(lease)
  local last, since, last_lease = string.match(redis.call('GET', ALIVE) or '', '^(%d+) (%d+) (%d+)$')
  if not last and not lease then return 0 end
  local longest = (lease or last_lease) / 2 + (lease and 0 or BETWEEN_MAINTENANCE)
  if last and now - last > longest then since = NOW end
  since, lease = since or '0', lease or tonumber(last_lease)
  redis.call('SET', ALIVE, NOW .. ' ' .. since .. ' ' .. string.format('%.0f', lease))
  return since == '0' and 0 or tonumber(since) + math.min(lease, RETURN)
end
