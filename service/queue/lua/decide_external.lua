-- Record what a person decided about a comment at the site's own desk, which needs no lease. The last
-- word is theirs: another decision is taken back first, and the site is told of neither.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: id record content signature action draft undo withdrawal
-- returns: { 'ok', entry (see queue/view), 1 where this call recorded it, else 0 }
-- returns: { 'unreadable' | 'appealed' }
-- include: queue/clock queue/admit queue/close queue/reopen queue/standing queue/text queue/view

local at, item, stored = now(), load(id)
if stored and not item then return { 'unreadable' } end
local fresh = admit(id, 0, record, content, at, signature)
if fresh then
  item = fresh
elseif item.state == 'decided' then
  local _, _, _, last, said = unpack(standing(item))
  if said == action then return { 'ok', view(entry_of(last)), 0 } end
  local appeal = item.appealed and load(item.appealed)
  if appeal and appeal.state == 'decided' then return { 'appealed' } end
  reopen(id, item, facts_in(entry_of(item.decision)), at, 'external', undo, withdrawal)
end
if redis.call('HSETNX', TEXTS, id .. ':' .. item.version, content) == 1 then -- it was gone
  forget_arrival(id, item)
  note_arrival(id, item, signature)
end
item.token = item.token + 1
forget_opinions(id, item) -- nobody was asked for a second one
item.undelivered, item.attempts = nil, nil -- what was decided before, and is over
redis.call('ZREM', OUTBOX, id)
local body = close(id, item, at, 'external', action, draft, '', nil, true)
return { 'ok', { item.decision, body, text_of(id, item), false, 1, 0, item.digest or '' }, 1 }
