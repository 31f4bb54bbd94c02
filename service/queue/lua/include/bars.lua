-- Who may not have an item: for a while what they skipped, without an end what they judged before.
-- KEYS: barred

local function bar(id, moderator, at, till)
  redis.call('ZREMRANGEBYSCORE', BARRED, '-inf', at) -- others that are over
  redis.call('ZADD', BARRED, till, id .. moderator)
end
