-- The verbs of delivery; ARGV[1] names the verb. An item's record lists its deliveries that are
-- still to be made, oldest first; the outbox says when the first of them is due.

local function finish(id, item, at) -- the first delivery of the item is over: on to the next
  table.remove(item.undelivered, 1)
  item.attempts = nil
  if #item.undelivered == 0 then item.undelivered = nil end
  save(id, item)
  if item.undelivered then
    redis.call('ZADD', OUTBOX, at, id)
  else
    redis.call('ZREM', OUTBOX, id)
  end
end

local function under_way(id, delivery) -- the item, while this delivery is its first
  local item = load(id)
  return item and item.undelivered and item.undelivered[1] == delivery and item
end

local verbs = {}

function verbs.claim(hold_ms)
  local at = now()
  if redis.call('HEXISTS', ENDPOINT, 'disabled') == 1 then return {} end
  local id = redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', at, 'LIMIT', 0, 1)[1]
  if not id then return {} end
  local item = load(id)
  item.attempts = (item.attempts or 0) + 1
  save(id, item)
  redis.call('ZADD', OUTBOX, at + hold_ms, id)
  local entry = entry_of(item.undelivered[1])
  return { id, entry[1], entry[2][2], item.attempts }
end

function verbs.delivered(id, delivery)
  redis.call('HDEL', ENDPOINT, 'failing', 'failure')
  local item = under_way(id, delivery)
  if item then finish(id, item, now()) end
  return {}
end

function verbs.failed(id, delivery, delay_ms, failure)
  local at = now()
  redis.call('HSET', ENDPOINT, 'failure', failure)
  redis.call('HSETNX', ENDPOINT, 'failing', at)
  if under_way(id, delivery) then redis.call('ZADD', OUTBOX, at + delay_ms, id) end
  return {}
end

function verbs.give_up(id, delivery, failure, patience_ms)
  local at, item = now(), under_way(id, delivery)
  redis.call('HSET', ENDPOINT, 'failure', failure)
  redis.call('HSETNX', ENDPOINT, 'failing', at)
  if item then
    redis.call('ZADD', DEAD, at, delivery)
    finish(id, item, at)
  end
  if at - redis.call('HGET', ENDPOINT, 'failing') >= tonumber(patience_ms) then
    redis.call('HSETNX', ENDPOINT, 'disabled', at)
  end
  return {}
end

function verbs.due()
  if redis.call('HEXISTS', ENDPOINT, 'disabled') == 1 then return { 0 } end
  return { redis.call('ZCOUNT', OUTBOX, '-inf', now()) }
end

return verbs[ARGV[1]](unpack(ARGV, 2))
