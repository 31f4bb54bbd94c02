-- Give a moderator one item that they name, in the version that they saw. What they hold already
-- stays theirs, for a new time; a known answer is as if it were not there.
-- KEYS: items texts lines leases barred retention
-- ARGV: id version moderator lease_ms senior
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'withdrawn' | 'edited_since' }
-- returns: { 'held' | 'reserved' | 'barred' }
-- include: queue/clock queue/item queue/text queue/line_up queue/hand_out

local at, item, record = now(), load(id)
if not item then return { record and 'unreadable' or 'missing' } end
local theirs = item.state == 'leased' and item.expires > at
local own = theirs and item.owner == moderator
if item.known_answer and not own then return { 'missing' } end
if item.state == 'decided' or item.state == 'withdrawn' then return { item.state } end
if item.version ~= tonumber(version) then return { 'edited_since' } end
if own then
  item.expires = at + lease_ms
  record = save(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return { 'ok', id, record, text_of(id, item) }
end
if theirs then return { 'held' } end
if item.escalated and senior ~= '1' then return { 'reserved' } end
if redis.call('ZSCORE', BARRED, id .. moderator) == 'inf' then return { 'barred' } end -- has judged it
if item.state == 'leased' then -- by somebody whose time ran out
  item.abandoned = item.abandoned + 1
  line_up(id, item)
end
hand_out(id, item)
record = lease(id, item, moderator, at, lease_ms)
return { 'ok', id, record, text_of(id, item) }
