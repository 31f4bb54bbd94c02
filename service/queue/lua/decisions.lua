-- Read the decision stream, the oldest first.
-- KEYS: items texts decisions
-- ARGV: after limit
-- returns: { entry (see queue/view), ... }
-- include: queue/viewed

return viewed(redis.call('XRANGE', DECISIONS, after, '+', 'COUNT', limit))
