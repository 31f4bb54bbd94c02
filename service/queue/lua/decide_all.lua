-- Decide some of what was chosen, or of what waits in a line and came until a time, as part of one
-- decision: from where the same request ended on, and first what the moderator holds with a token. What
-- cannot be decided is stepped over and counted by its reason. `chosen` are ids, each with the version
-- that was seen; without them it is the line.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors bulks retention site
-- KEYS: reports report_times reporters
-- ARGV: facet until_ms request moderator senior action draft words held token limit most chosen...
-- returns: { 'ok', done (1 or 0), decided, reason, how many were left for it, ... }
-- returns: { 'other' } where the request was another group's, or said something else
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' } of what is held
-- include: queue/clock queue/item queue/along queue/group queue/return_expired queue/close queue/token
-- include: queue/line_length

local at, field = now(), 'all:' .. request
local known = group_of(field)
local group = known or {
  format = FORMAT, facet = facet, moderator = moderator, draft = draft, after = '', slices = 0, decided = 0, left = {},
}
if group.facet ~= facet or (group.draft or draft) ~= draft then return { 'other' } end

local function answer()
  local said = { 'ok', group.done and 1 or 0, group.decided }
  for why, n in pairs(group.left) do said[#said + 1], said[#said + 2] = why, n end
  return said
end

local function each() -- id, where to go on behind it, and the version that was seen of what was chosen
  if #chosen == 0 then return along(facet, group.after) end
  local place = tonumber(group.after) or 0
  return function()
    local id, version = chosen[2 * place + 1], chosen[2 * place + 2]
    place = place + 1
    if id then return id, tostring(place), tonumber(version) end
  end
end

local function is_newer(item, version) -- than what was seen
  if version then return item.version ~= version end
  return (item.edited or 0) > tonumber(until_ms)
end

local function why_left(id, item, record, version) -- or nil
  if not item then return record and 'unreadable' or 'moved' end
  if not waits(item) then return 'moved' end
  if not version and item.since > tonumber(until_ms) then return 'later' end
  if is_newer(item, version) then return 'edited' end
  if item.state == 'leased' and item.owner ~= moderator then return 'held' end
  if item.escalated and senior ~= '1' then return 'escalated' end
  if redis.call('ZSCORE', BARRED, id .. moderator) == 'inf' then return 'barred' end
end

local taken, n_looked, last = {}, 0, nil
local function take(id, item)
  item.token = item.token + 1
  group.words = words ~= '' and (group.words or id .. ':' .. item.version .. ':' .. item.token) or nil
  close(id, item, at, field, action, draft, words, { bulk = request })
  taken[#taken + 1] = item.decision
end

if group.done then return answer() end
if group.words then words = redis.call('HGET', TEXTS, group.words) or '' end -- the same for all
return_expired(at)
if held ~= '' and not known then
  local item, record = load(held)
  local lost = why_lost(item, record, token, at) or (item.owner ~= moderator and 'expired')
  if lost then return { lost } end
  take(held, item)
end
for id, place, version in each() do
  if #taken == tonumber(limit) or n_looked == tonumber(most) then break end
  last, n_looked = place, n_looked + 1
  local item, record = load(id)
  local why = why_left(id, item, record, version)
  if why then
    group.left[why] = (group.left[why] or 0) + 1
  else
    take(id, item)
  end
end
group.done = #taken < tonumber(limit) and n_looked < tonumber(most) or nil
group.after, group.decided = last or group.after, group.decided + #taken
local n_escalated = group.done and #chosen == 0 and line_length('e' .. facet) or 0
if n_escalated > 0 then group.left.escalated = n_escalated end -- which stand in no other line
if #taken > 0 then
  group.slices = group.slices + 1
  keep_in_bulks('slice:' .. group.slices .. ':' .. request, taken, at)
end
keep_in_bulks(field, group, at)
return answer()
