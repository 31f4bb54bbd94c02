-- Return what is known of an article: how many comments it got by the hour, what moderators note, and how
-- many of its comments wait.
-- KEYS: texts lines heat
-- ARGV: article
-- returns: { hours (see queue/heat_add) or false, notes or false, how many wait or are held }
-- include: queue/line_length

return { redis.call('HGET', HEAT, article), redis.call('HGET', TEXTS, article), line_length(article) }
