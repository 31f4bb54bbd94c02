-- Note that a delivery failed, and when to try again.
-- KEYS: items outbox endpoint
-- ARGV: id delivery delay_ms failure
-- returns: {}
-- include: queue/clock delivery/under_way delivery/failure

local at = now()
note_failure(failure, at)
if under_way(id, delivery) then redis.call('ZADD', OUTBOX, at + delay_ms, id) end
return {}
