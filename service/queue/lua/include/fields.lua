-- Fields of an entry of a Redis stream.

local function by_name(entry) -- and its id
  local found = { id = entry[1] }
  for place = 1, #entry[2], 2 do found[entry[2][place]] = entry[2][place + 1] end
  return found
end
