-- Take a comment back that the site has removed.
-- KEYS: items texts lines leases barred decisions listed retention outbox site reports report_times reporters
-- KEYS: arrivals
-- ARGV: id draft
-- returns: { 'ok', 1 where it was waiting, else 0 }
-- returns: { 'missing' | 'unreadable' }
-- include: queue/clock queue/item queue/drop

local at, item, record = now(), load(id)
if not item then return { record and 'unreadable' or 'missing' } end
if not waits(item) then return { 'ok', 0 } end
drop(id, item, at, draft)
return { 'ok', 1 }
