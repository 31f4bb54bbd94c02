-- What a moderator skipped.
-- KEYS: barred
-- include: queue/id_length

-- What a moderator put off for a while; what they may never have is barred without an end.
local function put_off_by(moderator, at)
  local ids = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', BARRED, '(' .. at, '(+inf')) do
    if member:sub(ID_LENGTH + 1) == moderator then ids[#ids + 1] = member:sub(1, ID_LENGTH) end
  end
  return ids
end
