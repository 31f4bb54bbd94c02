-- Note that a delivery is over: the site took it, or with told 0 has nobody there who listens to such news.
-- KEYS: items outbox endpoint
-- ARGV: id delivery told
-- returns: {}
-- include: queue/clock delivery/under_way delivery/finish queue/note_told

redis.call('HDEL', ENDPOINT, 'failing', 'failure')
redis.call('HSET', ENDPOINT, 'well', now())
local item = under_way(id, delivery)
if item then
  if told == '1' then note_told(item, delivery, now()) end
  finish(id, item, now())
end
return {}
