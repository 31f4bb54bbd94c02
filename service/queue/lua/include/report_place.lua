-- The place of an item in the line of those that readers reported, the most first.

local MOST_RANKED = 999 -- reports about a comment

local function report_place(id, item) -- or false
  local n = item.reported and item.reported.n or 0
  return n > 0 and string.format('r%03d', math.max(0, MOST_RANKED - n)) .. item.since .. id
end
