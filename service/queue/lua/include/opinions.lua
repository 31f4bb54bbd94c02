-- The two blind opinions on an item.
-- KEYS: barred

local function forget_opinions(id, item)
  for _, opinion in ipairs(item.opinions or {}) do
    redis.call('ZREM', BARRED, id .. opinion.moderator)
  end
  item.opinions, item.escalated = nil, nil
end
