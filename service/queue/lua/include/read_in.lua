-- Whether the read models know all decisions, also those of an older version.
-- KEYS: decisions figures

local function all_read_in() -- 1 or 0
  local unread = redis.call('HGET', FIGURES, 'unread')
  if unread then return unread == '' and 1 or 0 end
  return redis.call('EXISTS', DECISIONS) == 0 and 1 or 0
end
