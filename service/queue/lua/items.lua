-- Show items as they are now; what is not there is left out.
-- KEYS: items texts
-- ARGV: ids...
-- returns: { { 'ok', item id, record, content or false }, ... }
-- include: queue/shown_all

return shown_all(ids)
