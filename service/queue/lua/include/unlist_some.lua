-- Forgetting a list of a read model, some of it at a time.
-- KEYS: listed

local UNLISTED_AT_ONCE = 1000

local function unlist_some(facet) -- of a list that is to go, what comes first
  local found = redis.call('ZRANGEBYLEX', LISTED, '[' .. facet, '(' .. facet .. ':', 'LIMIT', 0, UNLISTED_AT_ONCE)
  if #found > 0 then redis.call('ZREM', LISTED, unpack(found)) end
end
