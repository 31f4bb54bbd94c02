-- The failures of an endpoint.
-- KEYS: endpoint

local function note_failure(failure, at)
  redis.call('HSET', ENDPOINT, 'failure', failure)
  redis.call('HSETNX', ENDPOINT, 'failing', at)
end
