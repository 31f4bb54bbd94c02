-- A comment that needs nobody. Nothing is kept of it, unless an earlier text of it was: that is
-- replaced, and leaves the queue.
-- KEYS: items texts lines leases barred decisions listed outbox retention site reports report_times reporters
-- KEYS: arrivals
-- ARGV: id record signature withdrawal
-- returns: { created (1 or 0), version, state }
-- returns: { 0, version, 'reported' } where readers have reported an earlier text; nothing is changed
-- returns: { 0, version, 'decided', decision id, action, decided at (ms) }
-- include: queue/clock queue/item queue/save queue/version queue/standing queue/drop

local item = load(id)
if not item then return { 0, 1, 'unseen' } end
if item.digest == cjson.decode(record).digest then return standing(item) end
if item.reported then return { 0, item.version, 'reported' } end
local at = now()
if waits(item) then drop(id, item, at, withdrawal) end
local fresh = next_version(item, record, at)
fresh.state = 'withdrawn'
forget_arrival(id, item)
note_arrival(id, fresh, signature)
forget_later(id, fresh, at)
save(id, fresh)
return { 1, fresh.version, 'withdrawn' }
