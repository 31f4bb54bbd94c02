-- Note that a delivery is over: the site took it, or with told 0 has nobody there who listens to such news.
-- KEYS: items outbox endpoint
-- ARGV: id delivery told
-- returns: {}
-- include: queue/clock delivery/under_way delivery/finish

redis.call('HDEL', ENDPOINT, 'failing', 'failure')
redis.call('HSET', ENDPOINT, 'well', now())
local item = under_way(id, delivery)
if item and item.news and told == '1' then -- of an author, which pages show
  item.told = item.told or {}
  table.insert(item.told, 1, delivery)
  item.told[#item.news + 1] = nil
end
if item then finish(id, item, now()) end
return {}
