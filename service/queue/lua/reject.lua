-- Record that the policy rejected a comment, without a person.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: id record content signature request decision
-- returns: { created (1 or 0), version, state }
-- returns: { 0, version, 'decided', decision id, action, decided at (ms) }
-- include: queue/clock queue/admit queue/standing queue/close

local at = now()
local item, known = admit(id, 0, record, content, at, signature)
if not item then return standing(known) end
close(id, item, at, request, 'reject', decision, '', nil, true)
return { 1, item.version, 'decided', item.decision, item.action, item.decided }
