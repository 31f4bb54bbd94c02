-- Put an item back to its place in the line; with a time, bar this moderator from it for so long, which
-- is skipping where they have seen it.
-- KEYS: items lines leases barred retention shifts
-- ARGV: id token skip_ms seen
-- returns: { 'ok' }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/item queue/token queue/bars queue/line_up queue/shifts

local at, item, record = now(), load(id)
local lost = why_lost(item, record, token, at)
if lost then return { lost } end
if tonumber(skip_ms) > 0 then bar(id, item.owner, at, at + skip_ms) end
if seen == '1' then count_work(at, item.owner, 'skip', 1) end
line_up(id, item)
return { 'ok' }
