-- Requeues emails of workers whose lease has expired: sending -> queued, or failed after too many times.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many emails at the most
-- ARGV[2]  how often an email may be taken from a dead worker before it becomes a dead letter
-- Reply    {how many were requeued, 1 when there may be more to do at once, else 0, how many became dead letters}

-- Requeues emails of a dead worker: the first time in front, because they have waited; from the second time on at the
-- back, because an email that kills its workers must not block the lane; in the end as dead letters. Returns how many
-- were requeued, and how many became dead letters. `holders` has the worker of each. Emails that are not `sending` were
-- requeued by an earlier call that failed later.
local function rescue(emails, holders, max_recoveries)
  table.sort(emails)
  local others, requeued, dead_lettered, unreadable = {}, 0, 0, 0
  -- From the newest to the oldest, so that the oldest ends in front.
  for i = #emails, 1, -1 do
    local id, header = emails[i], header_of(emails[i])
    local times = header and recovered_of(header) + 1
    local counted = header and counters(claims_of(header), attempts_of(header), times)
    local detail = header and {worker = holders[id], took = math.max(0, now - when_of(header))}
    if not header then
      dead_letter_unreadable(id)
      unreadable = unreadable + 1
    elseif state_of(header) ~= SENDING_STATE then
      -- Nothing is left to do.
    elseif times > max_recoveries then
      dead_letter(id, 'recovered', 'given up: ' .. times .. ' workers died or lost Redis while they had it in flight', counted, detail)
      dead_lettered = dead_lettered + 1
    else
      requeued = requeued + 1
      if times == 1 then
        push_front(id, lane_of(header), counted)
      else
        others[#others + 1] = {id, lane_of(header), counted}
      end
      add_to_timeline(id, 'recovered', detail)
    end
  end
  for i = #others, 1, -1 do push_back(unpack(others[i])) end
  count('recovered', requeued)
  count_failed('recovered', dead_lettered)
  return requeued, dead_lettered + unreadable
end

allow_write_when_full()
local batch, max_recoveries = tonumber(ARGV[1]), tonumber(ARGV[2])
local expired, more = due(WORKERS, batch)
-- A worker whose lease has expired counts as dead. If no worker could reach Redis to renew, all get time to return.
if expired[1] and renewal_deadline() > now then expired = {} end
local abandoned, holders, taken = {}, {}, {}
for _, worker in ipairs(expired) do
  local in_flight = redis.call('HGETALL', sending_of(worker))
  local ids = {}
  for i = 1, #in_flight, 2 do
    if #abandoned == batch then
      more = 1
      break
    end
    ids[#ids + 1] = in_flight[i]
    abandoned[#abandoned + 1], holders[in_flight[i]] = in_flight[i], worker
  end
  taken[#taken + 1] = {worker, ids, 2 * #ids == #in_flight}
end
local requeued, dead_lettered = rescue(abandoned, holders, max_recoveries)
for _, those in ipairs(taken) do
  local worker, ids, all = unpack(those)
  call_with('HDEL', sending_of(worker), ids)
  if all then redis.call('ZREM', WORKERS, worker) end
end
return {requeued, more, dead_lettered}
