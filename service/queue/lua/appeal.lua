-- Put a decided comment before somebody else, because its author asks for it; once.
-- KEYS: items texts lines leases barred decisions retention arrivals
-- ARGV: id decision slack statement
-- returns: { 'ok', created (1 or 0), version, state }
-- returns: { 'missing' | 'overruled' | 'gone' }
-- include: queue/clock queue/item queue/save queue/entry queue/facts queue/stands queue/bars queue/line_up
-- include: queue/arrival_of queue/note_arrival

local at, known, facts = now(), load(id), facts_in(entry_of(decision))
if known then return { 'ok', 0, known.version, known.state } end
local item = facts and facts.kind == 'decision' and load(facts.item_id)
if not item then return { 'missing' } end
if not stands(item, decision) then return { 'overruled' } end
local content = decoded(redis.call('HGET', TEXTS, facts.item_id .. ':' .. facts.version))
if not content or not is_finite(content) then return { 'gone' } end
content.appeal = statement
redis.call('HSET', TEXTS, id .. ':' .. facts.version, cjson.encode(content))
if facts.moderator then bar(id, facts.moderator, at, '+inf') end
local fresh = setmetatable({
  format = FORMAT, state = 'new', version = facts.version, since = at, due = at + slack,
  digest = item.version == facts.version and item.digest or '', facets = item.facets, comment_id = item.comment_id,
  verdict = facts.verdict,
}, USUALLY)
fresh.appeal = {
  decision = decision, item_id = facts.item_id, action = facts.action,
  decided = facts.decided_at, moderator = facts.moderator, version = facts.version,
}
line_up(id, fresh)
note_arrival(id, fresh, item.version == facts.version and arrival_of(facts.item_id, item) or '')
if item.decision == decision then
  item.appealed = id
  save(facts.item_id, item)
end
return { 'ok', 1, facts.version, 'pending' }
