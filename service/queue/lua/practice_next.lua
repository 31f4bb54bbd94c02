-- Draw a decided comment for a trainee to judge, who is not told the decision: the first that will do
-- after one of these times (entries of the decision stream, up to the last that cannot be undone any more).
-- KEYS: items texts decisions judgements
-- ARGV: trainee moderator till starts...
-- returns: { 'ok', item id, record, content }
-- returns: { 'none' }
-- include: queue/item queue/text queue/fields queue/facts

local N_LOOKED_AT = 25 -- after each of the times

-- The decision is a person's who is not the trainee, stands, and is about the text that there is now.
local function fits(entry, facts)
  if facts.kind ~= 'decision' or facts.source ~= 'moderator' or facts.moderator == moderator then return end
  if facts.bulk or facts.appeal_of or redis.call('HEXISTS', JUDGEMENTS, trainee .. facts.item_id) == 1 then return end
  local item, record = load(facts.item_id)
  local is_last = item and item.decision == entry.id and item.version == facts.version
  if not is_last or item.overturned_by or item.known_answer then return end
  return text_of(facts.item_id, item), record
end

for _, start in ipairs(starts) do
  for _, found in ipairs(redis.call('XRANGE', DECISIONS, start, till, 'COUNT', N_LOOKED_AT)) do
    local entry = by_name(found)
    local facts = facts_in(entry)
    local content, record = nil, nil
    if facts then content, record = fits(entry, facts) end
    if content then return { 'ok', facts.item_id, record, content } end
  end
end
return { 'none' }
