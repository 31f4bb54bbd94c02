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

local function precedes(one, other) -- of two ids of entries; the first may be a time alone
  local time, number = one:match('^(%d+)%-?(%d*)$')
  local other_time, other_number = other:match('^(%d+)-(%d+)$')
  time, other_time = tonumber(time), tonumber(other_time)
  if time ~= other_time then return time < other_time end
  return (tonumber(number) or 0) < tonumber(other_number)
end
