-- List items of a line, the most urgent first; facet '' is the whole line.
-- KEYS: items texts lines leases
-- ARGV: facet limit
-- returns: { { 'ok', item id, record, content or false }, ... }
-- include: queue/walk queue/shown_all

local ids = {}
for id in walk(facet) do
  ids[#ids + 1] = id
  if #ids == tonumber(limit) then break end
end
return shown_all(ids)
