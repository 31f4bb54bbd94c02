-- Forgetting an item after the site's retention period.
-- KEYS: retention

local function forget_later(id, item, at)
  redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. item.version)
end
