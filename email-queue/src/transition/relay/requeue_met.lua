-- Requeues emails that met the failure of a relay, whose hold-off has ended or is probed: delayed -> queued. For the shards
-- that do not have the state of the relay.
--
-- KEYS[1]  the queue
-- ARGV[1…] their ids
-- Reply    {1}

allow_write_when_full()
requeue_delayed(table.concat(ARGV, ' '))
return {1}
