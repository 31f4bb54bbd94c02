-- The deliveries of an item, the oldest first; the outbox says when the first of them is due.
-- KEYS: outbox
-- include: queue/item

local function schedule(id, item, at) -- the item's first delivery, if any, is due
  item.attempts = nil
  if #item.undelivered == 0 then item.undelivered = nil end
  save(id, item)
  if item.undelivered then
    redis.call('ZADD', OUTBOX, at, id)
  else
    redis.call('ZREM', OUTBOX, id)
  end
end

local function finish(id, item, at) -- the first delivery of the item is over: on to the next
  table.remove(item.undelivered, 1)
  schedule(id, item, at)
end

local function under_way(id, delivery) -- the item, while this delivery is its first
  local item = load(id)
  return item and item.undelivered and item.undelivered[1] == delivery and item
end
