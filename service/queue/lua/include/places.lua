-- The places of an item in the lines.

local TROUBLED_AFTER = 3 -- leases that ran out; then people are told that an item keeps being left
local MOST_RANKED = 999 -- reports about a comment, in the order of the most reported

local function report_place(id, item) -- in the line of those that readers reported, the most first
  local n = item.reported and item.reported.n or 0
  return n > 0 and string.format('r%03d', math.max(0, MOST_RANKED - n)) .. item.since .. id
end

local function places(id, item) -- of a waiting item
  local place = item.due .. id -- until the year 2286 all times have 13 digits
  if item.known_answer then return { 'c' .. place } end -- in no line, only ever mixed in
  local found = { 'n' .. item.since .. id }
  found[2] = report_place(id, item) or nil
  if item.escalated then -- for seniors, whatever they look for
    found[#found + 1] = 'e' .. place
    return found
  end
  for _, facet in ipairs(item.facets) do found[#found + 1] = facet .. place end
  if item.abandoned >= TROUBLED_AFTER then found[#found + 1] = 't' .. place end
  return found
end
