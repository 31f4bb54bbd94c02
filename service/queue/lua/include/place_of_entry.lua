-- The place of an entry of the decision stream in a list.

local function place_of_entry(entry) -- the same length for all entries: ids sort as numbers then
  return string.format('%013.0f-%06.0f', entry:match('^(%d+)-(%d+)$'))
end
