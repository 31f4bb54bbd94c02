-- Decide many pending items alike, all or none, and the one that the moderator holds with this token.
-- `chosen` are ids, each with its version.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors bulks retention site
-- KEYS: reports report_times reporters
-- ARGV: request moderator senior action draft words held token chosen...
-- returns: { 'ok', entry (see queue/view), ... }
-- returns: { 'changed' | 'reserved' | 'barred' }
-- include: queue/clock queue/item queue/bulk_answer queue/close

local field, at, taken = 'decide:' .. request, now(), {}
local known = redis.call('HGET', BULKS, field)
if known then return bulk_answer(cjson.decode(known)) end
local items = {}
for place = 1, #chosen, 2 do
  local item = load(chosen[place])
  local theirs = item and item.owner == moderator and item.token == tonumber(token)
  local free = item and (item.state == 'pending' or (theirs and chosen[place] == held))
  if not free or item.version ~= tonumber(chosen[place + 1]) then return { 'changed' } end
  if item.escalated and senior ~= '1' then return { 'reserved' } end
  if redis.call('ZSCORE', BARRED, chosen[place] .. moderator) == 'inf' then -- has judged it before
    return { 'barred' }
  end
  items[chosen[place]] = item
end
for place = 1, #chosen, 2 do
  local id = chosen[place]
  local item = items[id]
  item.token = item.token + 1
  close(id, item, at, field, action, draft, words, { bulk = request })
  taken[#taken + 1] = item.decision
end
redis.call('HSET', BULKS, field, cjson.encode(taken))
redis.call('ZADD', RETENTION, at, 'bulk:' .. field)
return bulk_answer(taken)
