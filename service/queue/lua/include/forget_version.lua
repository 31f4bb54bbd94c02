-- Forgetting what people wrote.
-- KEYS: texts

local function forget_version(id, version, last_token) -- its text, and what was written on it
  local field = id .. ':' .. version
  redis.call('HDEL', TEXTS, field)
  for token = 1, last_token do redis.call('HDEL', TEXTS, field .. ':' .. token) end
end
