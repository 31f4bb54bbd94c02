-- Count the items of a line, those that people hold included where the line keeps them.
-- KEYS: lines
-- ARGV: facet
-- returns: { how many }
-- include: queue/line_length

return { line_length(facet) }
