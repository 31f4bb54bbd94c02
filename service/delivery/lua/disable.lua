-- Call an endpoint no more, which said that it is gone for good.
-- KEYS: endpoint
-- ARGV: failure
-- returns: {}
-- include: queue/clock delivery/failure

local at = now()
note_failure(failure, at)
redis.call('HSETNX', ENDPOINT, 'disabled', at)
return {}
