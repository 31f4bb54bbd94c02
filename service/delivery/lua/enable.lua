-- Forget the failures of an endpoint; all that waits is due now.
-- KEYS: outbox endpoint
-- ARGV:
-- returns: {}
-- include: queue/clock

local at = now()
redis.call('HDEL', ENDPOINT, 'failing', 'failure', 'disabled')
for _, id in ipairs(redis.call('ZRANGE', OUTBOX, 0, -1)) do redis.call('ZADD', OUTBOX, at, id) end
return {}
