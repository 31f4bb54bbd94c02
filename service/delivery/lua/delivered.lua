-- Note that the site took a delivery.
-- KEYS: items outbox endpoint
-- ARGV: id delivery
-- returns: {}
-- include: queue/clock delivery/under_way delivery/finish

redis.call('HDEL', ENDPOINT, 'failing', 'failure')
redis.call('HSET', ENDPOINT, 'well', now())
local item = under_way(id, delivery)
if item and item.news then -- of an author, which pages show
  item.told = item.told or {}
  table.insert(item.told, 1, delivery)
  item.told[#item.news + 1] = nil
end
if item then finish(id, item, now()) end
return {}
