-- List items of a line, the most urgent first, from a place on; facet '' is the whole line, and place ''
-- its beginning. The whole line has no other.
-- KEYS: items texts lines leases
-- ARGV: facet limit after
-- returns: { { 'ok', item id, record, content or false }, ... }
-- include: queue/walk queue/shown_all

local ids = {}
for id in walk(facet, after) do
  ids[#ids + 1] = id
  if #ids == tonumber(limit) then break end
end
return shown_all(ids)
