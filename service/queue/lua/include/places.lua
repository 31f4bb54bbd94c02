-- The places of an item in the lines.
-- include: queue/report_place

local TROUBLED_AFTER = 3 -- leases that ran out; then people are told that an item keeps being left

local function places(id, item) -- of a waiting item
  local place = item.due .. id -- until the year 2286 all times have 13 digits
  if item.known_answer then return { 'c' .. place } end -- in no line, only ever mixed in
  local found = { 'n' .. item.since .. id }
  found[2] = report_place(id, item) or nil
  if item.escalated then -- for seniors, whatever they look for
    found[#found + 1] = 'e' .. place
    for _, facet in ipairs(item.facets) do found[#found + 1] = 'e' .. facet .. place end
    return found
  end
  for _, facet in ipairs(item.facets) do found[#found + 1] = facet .. place end
  if item.abandoned >= TROUBLED_AFTER then found[#found + 1] = 't' .. place end
  return found
end
