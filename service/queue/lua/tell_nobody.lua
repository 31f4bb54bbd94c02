-- Where nobody listens any more there is nothing to tell: forget the deliveries that wait and those
-- given up, some at a time.
-- KEYS: items decisions outbox dead endpoint site
-- ARGV: limit
-- returns: { how many were forgotten }
-- include: queue/item queue/save queue/entry queue/facts

redis.call('HSETNX', SITE, 'listens', '0') -- a site of an older version
if redis.call('HGET', SITE, 'listens') == '1' then return { 0 } end
local waiting = redis.call('ZRANGE', OUTBOX, 0, limit - 1)
for _, id in ipairs(waiting) do
  local item = load(id)
  if item then
    item.undelivered, item.attempts = nil, nil
    save(id, item)
  end
  redis.call('ZREM', OUTBOX, id)
end
local given_up = redis.call('ZRANGE', DEAD, 0, limit - 1)
for _, delivery in ipairs(given_up) do
  local facts = facts_in(entry_of(delivery))
  local item = facts and load(facts.item_id)
  if item then
    item.dead = nil
    save(facts.item_id, item)
  end
  redis.call('ZREM', DEAD, delivery)
  redis.call('HDEL', ENDPOINT, delivery)
end
return { #waiting + #given_up }
