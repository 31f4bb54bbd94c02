-- Put a comment before people, once.
-- KEYS: items texts lines leases barred retention arrivals
-- ARGV: id slack record content signature
-- returns: { created (1 or 0), version, state }
-- returns: { 0, version, 'decided', decision id, action, decided at (ms) }
-- include: queue/clock queue/admit queue/standing queue/line_up

local fresh, known = admit(id, slack, record, content, now(), signature)
if not fresh then return standing(known) end
line_up(id, fresh)
return { 1, fresh.version, 'pending' }
