-- What moderators skipped.
-- KEYS: barred
-- include: queue/id_length

local function put_off_by(moderator, at) -- ids of the items that a moderator skipped
  local ids = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', BARRED, '(' .. at, '(+inf')) do
    if member:sub(ID_LENGTH + 1) == moderator then ids[#ids + 1] = member:sub(1, ID_LENGTH) end
  end
  return ids
end
