-- Stores what a worker was started with, for as long as its lease; `extend` keeps it longer.
--
-- KEYS[1]  the queue
-- ARGV[1]  the worker's id
-- ARGV[2]  lease in ms, from now
-- ARGV[3]  how many ms ago it was started
-- ARGV[4…] fields and values
-- Reply    {}

local worker, lease, age = ARGV[1], ARGV[2], tonumber(ARGV[3])
allow_write_when_full()
redis.call('HSET', worker_of(worker), unpack(ARGV, 4))
redis.call('HSETNX', worker_of(worker), 'started', text_of(now - age))
redis.call('PEXPIRE', worker_of(worker), lease)
return {}
