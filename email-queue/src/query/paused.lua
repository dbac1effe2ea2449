-- Returns which lanes are paused. Read-only.
--
-- KEYS[1]  the queue
-- Reply    for each of LANES since when it is paused, in ms since 1970, or ''

return shown_pauses()
