-- A stored record: a JSON object of named fields, with the number of its format.

local FORMAT = 1 -- as in service/store/durability.py

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
