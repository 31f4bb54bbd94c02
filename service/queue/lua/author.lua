-- Return what was decided about an author.
-- KEYS: authors
-- ARGV: facet
-- returns: { record or false }

return { redis.call('HGET', AUTHORS, facet) }
