-- What is known of the relays that emails go to, one truth for all workers: a hash for each relay.
--
-- A relay that fails is held off from: emails stay where they are, in their order, and one worker at a time probes it
-- with one email. `until` and all that belongs to it are there only while it is so.

-- What nobody has touched for this long is forgotten.
local RELAY_REMEMBERED_MS = 30 * 24 * 60 * 60 * 1000

-- How many ms to hold off after so many failures in a row.
local function back_off(failures, base, max)
  return math.min(max, base * 2 ^ math.min(failures - 1, 30))
end

-- Has all workers ask about their relay within a second, for so many ms.
local function announce(relay, ms)
  redis.call('SET', HELD, relay, 'PX', string.format('%.0f', math.max(1, ms, redis.call('PTTL', HELD))))
end

-- Lists those of these emails, given as text, that wait because they have met a failure of their relay.
local function list_behind(ids)
  for id in string.gmatch(ids or '', '%S+') do
    local header = header_of(id)
    if header and state_of(header) == DELAYED and redis.call('ZREM', SCHEDULED, id) == 1 then
      list_last(id, lane_of(header))
    end
  end
end
