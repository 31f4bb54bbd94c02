-- Take a comment back that the site has removed.
-- KEYS: items texts lines leases barred decisions figures retention
-- ARGV: id facts
-- returns: { 'ok', 1 where it was waiting, else 0 }
-- returns: { 'missing' }
-- include: queue/drop

local at, item = now(), load(id)
if not item then return { 'missing' } end
if not waits(item) then return { 'ok', 0 } end
drop(id, item, at, facts)
return { 'ok', 1 }
