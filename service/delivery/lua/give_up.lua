-- Give a delivery up. Without patience: the endpoint itself is well.
-- KEYS: items outbox dead endpoint
-- ARGV: id delivery failure patience_ms
-- returns: {}
-- include: queue/clock delivery/under_way delivery/finish delivery/failure

local at, item = now(), under_way(id, delivery)
if patience_ms ~= '' then note_failure(failure, at) end
if item then
  redis.call('ZADD', DEAD, at, delivery)
  redis.call('HSET', ENDPOINT, delivery, failure)
  item.dead = (item.dead or 0) + 1 -- so that retention waits for it
  finish(id, item, at)
end
if patience_ms ~= '' and at - redis.call('HGET', ENDPOINT, 'failing') >= tonumber(patience_ms) then
  redis.call('HSETNX', ENDPOINT, 'disabled', at)
end
return {}
