-- Take a decision back: the item waits again.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: id decision moderator senior request window_ms draft withdrawal
-- returns: { 'ok', entry (see queue/view) }
-- returns: { 'missing' | 'unreadable' | 'undecided' | 'replaced' }
-- returns: { 'late' | 'gone' | 'appealed' | 'foreign' }
-- include: queue/clock queue/item queue/entry queue/view queue/why_kept queue/reopen

local at, item, record = now(), load(id)
if not item then return { record and 'unreadable' or 'missing' } end
request = 'undo:' .. request
if item.request == request then return { 'ok', view(entry_of(item.last)) } end
if item.state ~= 'decided' then return { 'undecided' } end
if decision ~= '' and item.decision ~= decision then return { 'replaced' } end
local decided = facts_in(entry_of(item.decision))
local kept = why_kept(id, item, decided, moderator, senior, window_ms, at)
if kept then return { kept } end
local body, facts = reopen(id, item, decided, at, request, draft, withdrawal)
return { 'ok', view_of(item.last, body, facts, item) }
