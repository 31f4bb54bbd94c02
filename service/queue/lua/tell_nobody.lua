-- Where nobody listens any more there is nothing to tell: forget the deliveries that wait and those
-- given up, some at a time. Returns how many are left.
-- KEYS: items decisions outbox dead endpoint site
-- ARGV: limit
-- returns: { how many are left }
-- include: queue/item queue/entry

redis.call('HSETNX', SITE, 'listens', '0') -- a site of an older version
if redis.call('HGET', SITE, 'listens') == '1' then return { 0 } end
for _, id in ipairs(redis.call('ZRANGE', OUTBOX, 0, limit - 1)) do
  local item = load(id)
  if item then
    item.undelivered, item.attempts = nil, nil
    save(id, item)
  end
  redis.call('ZREM', OUTBOX, id)
end
for _, delivery in ipairs(redis.call('ZRANGE', DEAD, 0, limit - 1)) do
  local facts = facts_in(entry_of(delivery))
  local item = facts and load(facts.item_id)
  if item then
    item.dead = nil
    save(facts.item_id, item)
  end
  redis.call('ZREM', DEAD, delivery)
  redis.call('HDEL', ENDPOINT, delivery)
end
return { redis.call('ZCARD', OUTBOX) + redis.call('ZCARD', DEAD) }
