-- The entry of the decision stream at a place of a list.

local function entry_at(place)
  return string.format('%.0f-%.0f', place:match('^(%d+)-(%d+)$'))
end
