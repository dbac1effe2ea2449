-- Recounts the bytes of some records, once a day and when the count is known to be wrong.
--
-- KEYS[1]  the queue
-- ARGV[1]  how many records at the most
-- Reply    {}

allow_write_when_full()
count_again(tonumber(ARGV[1]))
return {}
