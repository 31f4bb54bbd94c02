-- Count the items whose next delivery is due.
-- KEYS: outbox endpoint
-- ARGV:
-- returns: { how many, 1 where the endpoint took the last one, else 0 }
-- include: queue/clock

local failing, disabled, well =
  unpack(redis.call('HMGET', ENDPOINT, 'failing', 'disabled', 'well'))
local n_due = disabled and 0 or redis.call('ZCOUNT', OUTBOX, '-inf', now())
return { n_due, (well and not failing) and 1 or 0 }
