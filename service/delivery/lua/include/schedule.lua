-- The deliveries of an item, the oldest first; the outbox says when the first of them is due.
-- KEYS: outbox
-- include: queue/save

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
