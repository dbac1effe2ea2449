-- The state of relays, shared by all workers: one hash per relay.
--
-- While a failing relay is held off, emails stay on their lists in order, and one worker at a time probes with one
-- email. `until` and its related fields exist only then.

-- Unused state expires after this time.
local RELAY_REMEMBERED_MS = 30 * 24 * 60 * 60 * 1000

-- How many ms to hold off after so many failures in a row.
local function back_off(failures, base, max)
  return math.min(max, base * 2 ^ math.min(failures - 1, 30))
end

-- Makes all workers read the state of their relay within a second, for so many ms.
local function notify_workers(relay, ms)
  redis.call('SET', HELD_OFF, relay, 'PX', string.format('%.0f', math.max(1, ms, redis.call('PTTL', HELD_OFF))))
end

-- Requeues those of these emails (ids as text) that are delayed because they met a relay failure. Returns the ids of those that
-- have no record here, as text: they are in other shards, or gone.
local function requeue_delayed(ids)
  local elsewhere = {}
  for id in string.gmatch(ids or '', '%S+') do
    local header = header_of(id)
    if not header then
      elsewhere[#elsewhere + 1] = id
    elseif state_of(header) == DELAYED and redis.call('ZREM', SCHEDULED, id) == 1 then
      push_back(id, lane_of(header))
      count_delayed(-1)
    end
  end
  return table.concat(elsewhere, ' ')
end
