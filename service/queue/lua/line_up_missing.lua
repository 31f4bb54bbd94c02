-- Give a page of what waits its places by arrival, by reports and among what is left to the seniors of
-- one facet, which older versions did not write.
-- KEYS: items lines
-- ARGV: cursor limit
-- returns: { next cursor, how many were looked at }
-- include: queue/item queue/places queue/waits

local page = redis.call('HSCAN', ITEMS, cursor, 'COUNT', limit)
for place = 1, #page[2], 2 do
  local id = page[2][place]
  local item = load(id)
  if item and waits(item) and not item.known_answer then
    for _, entry in ipairs(places(id, item)) do
      if entry:find('^[nr]') or entry:find('^e%l') then redis.call('ZADD', LINES, 0, entry) end
    end
  end
end
return { page[1], #page[2] / 2 }
