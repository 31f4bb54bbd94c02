-- Read the daily figures of a site.
-- KEYS: figures
-- ARGV:
-- returns: { name, value, ... }

return redis.call('HGETALL', FIGURES)
