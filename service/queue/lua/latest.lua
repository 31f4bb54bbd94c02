-- Read the decision stream back, the newest first.
-- KEYS: items texts decisions
-- ARGV: before since limit
-- returns: { entry (see queue/view), ... }
-- include: queue/viewed

return viewed(redis.call('XREVRANGE', DECISIONS, before, since, 'COUNT', limit))
