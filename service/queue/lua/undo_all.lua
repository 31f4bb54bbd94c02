-- Take back some of a decision on a whole group: what one script decided, and once nothing of it is
-- left, nothing more. Nothing more is decided by its request either.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors bulks retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: decided moderator senior request window_ms draft withdrawal
-- returns: { 'ok', done (1 or 0), taken back, kept }
-- returns: { 'missing' | 'foreign' }
-- include: queue/clock queue/item queue/group queue/entry queue/facts queue/why_kept queue/reopen

local at, field = now(), 'all:' .. decided
local group = group_of(field)
if not group then return { 'missing' } end
if senior ~= '1' and group.moderator ~= moderator then return { 'foreign' } end
group.done, group.reopened = true, group.reopened or 0
group.undone, group.kept = group.undone or 0, group.kept or 0
if group.reopened < group.slices then
  group.reopened = group.reopened + 1
  local slice = redis.call('HGET', BULKS, 'slice:' .. group.reopened .. ':' .. decided)
  for _, entry in ipairs(slice and cjson.decode(slice) or {}) do
    local decision = facts_in(entry_of(entry))
    local id = decision and decision.item_id
    local item = id and load(id)
    local stands = item and item.decision == entry
    if stands and not why_kept(id, item, decision, moderator, senior, window_ms, at) then
      reopen(id, item, decision, at, 'undo:' .. request, draft, withdrawal)
      group.undone = group.undone + 1
    else
      group.kept = group.kept + 1
    end
  end
  keep_in_bulks(field, group, at)
end
return { 'ok', group.reopened == group.slices and 1 or 0, group.undone, group.kept }
