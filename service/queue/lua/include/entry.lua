-- An entry of the decision stream.
-- KEYS: decisions
-- include: queue/fields

local function entry_of(id) -- or nil
  local found = redis.call('XRANGE', DECISIONS, id, id)[1]
  return found and by_name(found)
end
