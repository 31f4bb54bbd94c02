-- Telling the site.
-- KEYS: outbox
-- include: queue/of_site

local function tell(id, item, entry, at) -- the site is to hear of this entry, if anybody listens
  if of_site('listens') == '0' then return end
  item.undelivered = item.undelivered or {}
  table.insert(item.undelivered, entry)
  if #item.undelivered == 1 then redis.call('ZADD', OUTBOX, at, id) end
end
