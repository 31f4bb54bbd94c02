-- Take into the read models what was decided before there were any, the newest first, a page at a
-- time. Where two people judged the same comment is not found again.
-- KEYS: items texts decisions decided figures
-- ARGV: since limit
-- returns: { how many entries were read }
-- include: queue/view queue/decided queue/figures

local unread = redis.call('HGET', FIGURES, 'unread')
if unread == '' then return { 0 } end
local from = unread and '(' .. unread or '+'
local page = redis.call('XREVRANGE', DECISIONS, from, since, 'COUNT', limit)
for _, found in ipairs(page) do
  local entry = by_name(found)
  local facts = facts_in(entry)
  local item = facts and load(facts.item_id)
  local shown = facts and (facts.kind == 'decision' or facts.kind == 'undo') and not facts.expected
  if item and shown then list_oldest(facts.item_id, item, entry.id) end
  if not item or stands(item, entry.id) then count_decision(facts, 1) end
end
redis.call('HSET', FIGURES, 'unread', #page == tonumber(limit) and page[#page][1] or '')
return { #page }
