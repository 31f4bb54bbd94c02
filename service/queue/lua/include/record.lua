-- Stored records: JSON objects of named fields, with the number of their format.

local FORMAT = 1 -- as in service/store/durability.py
local ID_LENGTH = 12 -- of an item's id

local function is_finite(value) -- with all that is in it; what is not cannot be written again
  if type(value) == 'number' then return value - value == 0 end
  if type(value) == 'table' then
    for _, part in pairs(value) do
      if not is_finite(part) then return false end
    end
  end
  return true
end

-- The object that is stored; nil for what cannot be read, or is of another format.
local function decoded(text)
  local known, object = pcall(cjson.decode, text)
  return known and type(object) == 'table' and object.format == FORMAT and object or nil
end

local function by_name(entry) -- the fields of an entry of a Redis stream by their names, and its id
  local found = { id = entry[1] }
  for place = 1, #entry[2], 2 do found[entry[2][place]] = entry[2][place + 1] end
  return found
end
