-- Return how an endpoint fares.
-- KEYS: endpoint
-- ARGV:
-- returns: { failing since (ms), the last failure, disabled at (ms) }, each or false

return redis.call('HMGET', ENDPOINT, 'failing', 'failure', 'disabled')
