-- What people wrote, apart from the records.
-- KEYS: texts

local function text_of(id, item)
  return redis.call('HGET', TEXTS, id .. ':' .. item.version)
end
