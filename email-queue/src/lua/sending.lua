-- What workers have in hand: for each worker a hash of its emails, id -> header as it was when claimed. They are its own
-- until its lease is over, which is one for all.

-- Those of these emails that a worker has in hand: for each its header, or false.
local function headers_held(worker, ids)
  if not ids[1] then return {} end
  local headers = redis.call('HMGET', sending_of(worker), unpack(ids, 1, math.min(1000, #ids)))
  for i = 1001, #ids, 1000 do
    local more = redis.call('HMGET', sending_of(worker), unpack(ids, i, math.min(i + 999, #ids)))
    for n, header in ipairs(more) do headers[i + n - 1] = header end
  end
  return headers
end

-- Whether an email is in hand under this claim, and no later one.
local function is_held(header, claim) return header and claim_of(header) == claim end

-- Lists again what was taken from a worker, given as {id, header}: the first time in front, because it has waited; from
-- the second time on behind the others, because an email that kills every worker that touches it must not hold up its
-- lane; and in the end as a dead letter. Returns how many were listed, and how many buried.
local function recover(emails, max_recoveries)
  table.sort(emails, function(a, b) return a[1] < b[1] end)
  local others, buried = {}, 0
  -- From the newest to the oldest, so that the oldest ends in front.
  for i = #emails, 1, -1 do
    local id, header = emails[i][1], emails[i][2]
    local times = recovered_of(header) + 1
    local counted = counters(claims_of(header), attempts_of(header), times)
    if times > max_recoveries then
      bury(id, 'given up: ' .. times .. ' workers died or lost Redis while they had it in hand', counted)
      buried = buried + 1
    elseif times == 1 then
      list_first(id, lane_of(header), counted)
    else
      others[#others + 1] = {id, lane_of(header), counted}
    end
  end
  for i = #others, 1, -1 do list_last(unpack(others[i])) end
  count('recovered', #emails - buried)
  count('failed', buried)
  return #emails - buried, buried
end
