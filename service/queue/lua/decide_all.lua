-- Decide some of what waits in a line and came until a time, as part of one decision: from where the
-- same request ended on. What others hold, what the moderator judged before, what came later and what
-- cannot be read is stepped over and counted.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors bulks retention site
-- KEYS: reports report_times reporters
-- ARGV: facet until_ms request moderator action draft words limit most
-- returns: { 'ok', done (1 or 0), decided, held, barred, later, unreadable }
-- returns: { 'other' } where the request was another group's
-- include: queue/clock queue/item queue/along queue/group queue/return_expired queue/close

local at, field = now(), 'all:' .. request
local group = group_of(field) or {
  format = FORMAT, facet = facet, moderator = moderator, after = '', slices = 0,
  decided = 0, held = 0, barred = 0, later = 0, unreadable = 0,
}
if group.facet ~= facet or group.moderator ~= moderator then return { 'other' } end

local function answer()
  return { 'ok', group.done and 1 or 0, group.decided, group.held, group.barred, group.later, group.unreadable }
end

local function why_left(id, item) -- or nil
  if not item then return 'unreadable' end
  if item.since > tonumber(until_ms) then return 'later' end
  if item.state == 'leased' and item.owner ~= moderator then return 'held' end
  if redis.call('ZSCORE', BARRED, id .. moderator) == 'inf' then return 'barred' end
end

if group.done then return answer() end
return_expired(at)
local taken, n_looked, last = {}, 0, nil
for id, place in along(facet, group.after) do
  if #taken == tonumber(limit) or n_looked == tonumber(most) then break end
  last, n_looked = place, n_looked + 1
  local item = load(id)
  local why = why_left(id, item)
  if why then
    group[why] = group[why] + 1
  else
    item.token = item.token + 1
    close(id, item, at, field, action, draft, words, { bulk = request })
    taken[#taken + 1] = item.decision
  end
end
group.done = #taken < tonumber(limit) and n_looked < tonumber(most) or nil
group.after, group.decided = last or group.after, group.decided + #taken
if #taken > 0 then
  group.slices = group.slices + 1
  keep_in_bulks('slice:' .. group.slices .. ':' .. request, taken, at)
end
keep_in_bulks(field, group, at)
return answer()
