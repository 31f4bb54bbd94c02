-- What people wrote, apart from the records.
-- KEYS: texts

local function text_of(id, item)
  return redis.call('HGET', TEXTS, id .. ':' .. item.version)
end

local function keep_words(id, item, words) -- what the moderator wrote, apart from the stream
  if words == '' then return end
  redis.call('HSET', TEXTS, id .. ':' .. item.version .. ':' .. item.token, words)
end

local function forget_version(id, version, last_token) -- its text, and what was written on it
  local field = id .. ':' .. version
  redis.call('HDEL', TEXTS, field)
  for token = 1, last_token do redis.call('HDEL', TEXTS, field .. ':' .. token) end
end
