-- Count the items of a group, by its line: what waits or is held, and what of it is left to the seniors.
-- KEYS: lines
-- ARGV: facet
-- returns: { how many, how many more are left to the seniors, time (ms) }
-- include: queue/clock queue/line_length

return { line_length(facet), line_length('e' .. facet), now() }
