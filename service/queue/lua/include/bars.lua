-- Who may not have an item: for a while what they skipped, without an end what they judged before.
-- KEYS: barred
-- include: queue/record

local function bar(id, moderator, at, till)
  redis.call('ZREMRANGEBYSCORE', BARRED, '-inf', at) -- others that are over
  redis.call('ZADD', BARRED, till, id .. moderator)
end

local function barred_for_good(id, moderator) -- gave an opinion, or took the decision appealed against
  return redis.call('ZSCORE', BARRED, id .. moderator) == 'inf'
end

local function put_off_by(moderator, at) -- ids of the items that a moderator skipped
  local ids = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', BARRED, '(' .. at, '(+inf')) do
    if member:sub(ID_LENGTH + 1) == moderator then ids[#ids + 1] = member:sub(1, ID_LENGTH) end
  end
  return ids
end

local function forget_opinions(id, item) -- the two blind ones on an item
  for _, opinion in ipairs(item.opinions or {}) do
    redis.call('ZREM', BARRED, id .. opinion.moderator)
  end
  item.opinions, item.escalated = nil, nil
end
