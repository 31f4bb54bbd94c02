-- Reading an entry of the decision stream.
-- KEYS: decisions
-- include: queue/record

local function entry_of(id) -- or nil
  local found = redis.call('XRANGE', DECISIONS, id, id)[1]
  return found and by_name(found)
end

-- What an entry says; nil where there is none, or it cannot be read.
local function facts_in(entry)
  local facts = entry and decoded(entry.body)
  local known = facts and type(facts.item_id) == 'string' and type(facts.version) == 'number'
  return known and type(facts.token) == 'number' and facts or nil
end
