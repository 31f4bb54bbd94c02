-- Who may not have an item.
-- KEYS: barred

local function bar(id, moderator, at, till)
  redis.call('ZREMRANGEBYSCORE', BARRED, '-inf', at) -- others that are over
  redis.call('ZADD', BARRED, till, id .. moderator)
end

local function barred_for_good(id, moderator) -- gave an opinion, or took the decision appealed against
  return redis.call('ZSCORE', BARRED, id .. moderator) == 'inf'
end
