-- Say what waits to be told, since when, and how long its turn is overdue.
-- KEYS: items outbox dead endpoint
-- ARGV:
-- returns: { items, age of the oldest (ms), overdue (ms), given up, failing since (ms), disabled at (ms) }
-- include: queue/clock queue/item

local N_LOOKED_AT = 25 -- at either end: what comes next, and what was put off for the longest time

local at, oldest = now(), nil
for _, ids in ipairs({
  redis.call('ZRANGE', OUTBOX, 0, N_LOOKED_AT - 1), redis.call('ZREVRANGE', OUTBOX, 0, N_LOOKED_AT - 1),
}) do
  for _, id in ipairs(ids) do
    local item = load(id)
    local delivery = item and item.undelivered and item.undelivered[1]
    local decided = type(delivery) == 'string' and tonumber(delivery:match('^%d+'))
    oldest = decided and math.min(oldest or decided, decided) or oldest
  end
end
local due = tonumber(redis.call('ZRANGE', OUTBOX, 0, 0, 'WITHSCORES')[2]) or at
local failing, disabled = unpack(redis.call('HMGET', ENDPOINT, 'failing', 'disabled'))
return {
  redis.call('ZCARD', OUTBOX), math.max(0, at - (oldest or at)), math.max(0, math.floor(at - due)),
  redis.call('ZCARD', DEAD), tonumber(failing) or 0, tonumber(disabled) or 0,
}
