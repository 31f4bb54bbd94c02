-- What an entry of the decision stream says.
-- include: queue/record

local function facts_in(entry) -- nil where there is none, or it cannot be read
  local facts = entry and decoded(entry.body)
  local known = facts and type(facts.item_id) == 'string' and type(facts.version) == 'number'
  return known and type(facts.token) == 'number' and facts or nil
end
