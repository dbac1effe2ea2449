-- Returns what decides when an email is sent. Read-only, and bounded: it counts a hundred chunks of the email's lane, and looks at
-- a thousand workers.
--
-- KEYS[1]  the queue
-- ARGV[1]  the email's id
-- ARGV[2]  how many samples of the history at the most, the newest
-- Reply    {now; the beginning of its record, its last error or '', the class of that or ''; for each of LANES since when it is
--          paused, or '', how many wait, and how many entries its list has besides theirs; how many workers have a live lease, and
--          how many emails these have in flight; the worker that has the email in flight or '', the end of its lease or 0; about how
--          many emails wait before it in its lane; 1 when it was discarded, else 0; the counters now as a sample, how many samples,
--          the samples with the newest first}; {} when there is no such email
-- Times are in ms since 1970.

local other = other_version()
if other then return other end
local id, max = ARGV[1], tonumber(ARGV[2])
local BEGINNING = '4095'
local record, why, class = shown(id, {}, BEGINNING)
if not record then return {} end
local reply = {now, record, why, class}
local _, waits = waiting()
local pauses = shown_pauses()
for n, lane in ipairs(LANES) do
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = pauses[n], waits[n], other_entries(lane, waits[n])
end

local live, in_flight = redis.call('ZRANGEBYSCORE', WORKERS, now, '+inf', 'LIMIT', 0, 1000), 0
for _, worker in ipairs(live) do in_flight = in_flight + redis.call('HLEN', sending_of(worker)) end
reply[#reply + 1], reply[#reply + 2] = #live, in_flight
local state = state_of(record)
local holder, lease_ends
if state == SENDING_STATE then holder, lease_ends = holder_of(id) end
reply[#reply + 1], reply[#reply + 2] = holder or '', lease_ends or 0
reply[#reply + 1] = state == QUEUED and waiting_before(lane_of(record), when_of(record)) or 0
reply[#reply + 1] = state == CANCELED and was_discarded(id) and 1 or 0

local samples = redis.pcall('LRANGE', SERIES, 0, max - 1)
only_wrong_type(samples)
reply[#reply + 1], reply[#reply + 2] = sample_now(), #samples
for _, sample in ipairs(samples) do reply[#reply + 1] = sample end
return reply
