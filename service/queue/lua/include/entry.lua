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

local function place_of(id) -- of an entry, or a time alone
  local dash = id:find('-', 1, true)
  if not dash then return tonumber(id), 0 end
  return tonumber(id:sub(1, dash - 1)), tonumber(id:sub(dash + 1))
end

local function precedes(one, other)
  local time, number = place_of(one)
  local other_time, other_number = place_of(other)
  if time ~= other_time then return time < other_time end
  return number < other_number
end
