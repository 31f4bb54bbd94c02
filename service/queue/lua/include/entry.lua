-- Reading an entry of the decision stream.
-- KEYS: decisions

local function entry_of(id)
  return redis.call('XRANGE', DECISIONS, id, id)[1]
end

-- What an entry says; nil where there is none, or it cannot be read.
local function facts_in(entry)
  local known, facts = pcall(cjson.decode, entry and entry[2][2])
  known = known and type(facts) == 'table' and type(facts.item_id) == 'string'
  return known and type(facts.version) == 'number' and type(facts.token) == 'number' and facts or nil
end
