-- The order of the decision stream.

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
