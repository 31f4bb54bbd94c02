-- Take a bulk decision back as one.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors bulks retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: bulk moderator senior request window_ms draft withdrawal
-- returns: { 'ok', entry (see queue/view), ... }
-- returns: { 'missing' | 'late' | 'gone' | 'appealed' | 'foreign' | 'changed' }
-- include: queue/clock queue/item queue/bulk_answer queue/why_kept queue/reopen

local at, field = now(), 'undo:' .. request
local known = redis.call('HGET', BULKS, field)
if known then return bulk_answer(cjson.decode(known)) end
local decided = redis.call('HGET', BULKS, 'decide:' .. bulk)
if not decided then return { 'missing' } end
local items, undone = {}, {}
for place, entry in ipairs(cjson.decode(decided)) do
  local decision = facts_in(entry_of(entry))
  local id = decision and decision.item_id
  local item = id and load(id)
  if not item or item.decision ~= entry then return { 'changed' } end
  local kept = why_kept(id, item, decision, moderator, senior, window_ms, at)
  if kept then return { kept } end
  items[place] = { id, item, decision }
end
for place, pair in ipairs(items) do
  reopen(pair[1], pair[2], pair[3], at, field, draft, withdrawal)
  undone[place] = pair[2].last
end
redis.call('HSET', BULKS, field, cjson.encode(undone))
redis.call('ZADD', RETENTION, at, 'bulk:' .. field)
return bulk_answer(undone)
