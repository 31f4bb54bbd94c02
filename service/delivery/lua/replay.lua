-- Put the oldest dead letters back, to be told again in their order.
-- KEYS: items decisions outbox dead endpoint
-- ARGV: limit
-- returns: { how many }
-- include: queue/clock queue/item queue/entry queue/facts queue/order delivery/schedule

local at, n_replayed = now(), 0
for _, delivery in ipairs(redis.call('ZRANGE', DEAD, 0, limit - 1)) do
  local facts = facts_in(entry_of(delivery))
  local item = facts and load(facts.item_id)
  if item then
    item.dead = (item.dead or 1) > 1 and item.dead - 1 or nil
    item.undelivered = item.undelivered or {}
    table.insert(item.undelivered, delivery)
    table.sort(item.undelivered, precedes)
    schedule(facts.item_id, item, at)
    n_replayed = n_replayed + 1
  end
  redis.call('ZREM', DEAD, delivery)
  redis.call('HDEL', ENDPOINT, delivery)
end
return { n_replayed }
