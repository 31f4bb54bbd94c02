-- Stored records: JSON objects of named fields, with the number of their format.

local OLDEST = 1
local FORMAT = 4 -- both as in service/store/durability.py

-- The object that is stored; nil for what cannot be read, or is of another format.
local function decoded(text)
  local known, object = pcall(cjson.decode, text)
  local format = known and type(object) == 'table' and object.format
  local is_known = type(format) == 'number' and format >= OLDEST and format <= FORMAT
  return is_known and object or nil
end
