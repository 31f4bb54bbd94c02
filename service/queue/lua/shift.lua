-- The clock of Redis has jumped by so much: what is due later moves with it. Once for each jump,
-- however many processes saw it.
-- KEYS: items leases barred outbox endpoint site feedback_echoes
-- ARGV: jump_ms
-- returns: { 1, or 0 where it was moved already }
-- include: queue/clock queue/item queue/save

local SAME_JUMP_MS = 10000 -- two processes see one jump within this

local at, by = now(), tonumber(jump_ms)
local last_at, last_by = unpack(redis.call('HMGET', SITE, 'jumped_at', 'jumped_by'))
if last_at and math.abs(at - last_at) < SAME_JUMP_MS and math.abs(by - last_by) < SAME_JUMP_MS then
  return { 0 }
end
redis.call('HSET', SITE, 'jumped_at', at, 'jumped_by', by)
for _, id in ipairs(redis.call('ZRANGE', LEASES, 0, -1)) do
  local item = load(id)
  if item and item.expires then
    item.expires = item.expires + by
    save(id, item)
  end
end
for _, line in ipairs({ LEASES, BARRED, OUTBOX, FEEDBACK_ECHOES }) do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', line, '-inf', '(+inf')) do
    redis.call('ZINCRBY', line, by, member)
  end
end
if redis.call('HEXISTS', ENDPOINT, 'failing') == 1 then
  redis.call('HINCRBY', ENDPOINT, 'failing', by)
end
return { 1 }
