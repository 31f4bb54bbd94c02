-- Numbers that JSON can write.

local function is_finite(value) -- with all that is in it
  if type(value) == 'number' then return value - value == 0 end
  if type(value) == 'table' then
    for _, part in pairs(value) do
      if not is_finite(part) then return false end
    end
  end
  return true
end
