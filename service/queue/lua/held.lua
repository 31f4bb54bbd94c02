-- List the items that people hold, the soonest to expire first.
-- KEYS: items texts leases
-- ARGV:
-- returns: { { 'ok', item id, record, content or false }, ... }
-- include: queue/clock queue/shown_all

return shown_all(redis.call('ZRANGEBYSCORE', LEASES, '(' .. now(), '+inf'))
