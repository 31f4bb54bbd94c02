-- List entries of the decision stream that an older version has written, a page at a time, from the
-- oldest on, so that of each all that came before is listed.
-- KEYS: items decisions listed
-- ARGV: cursor limit
-- returns: { next cursor, or '0' where there are no more, how many were looked at }
-- include: queue/fields queue/facts queue/item queue/listed queue/list queue/entry queue/entry_at
-- include: queue/differing

local MOST_BEFORE = 20 -- entries about a comment, among which the opinions before a decision are

-- The opinions that a decision ended: those about the same text, with no decision between. They were
-- forgotten where the site's own desk decided.
local function opinions_before(entry, item, facts)
  local same_text = facts.version == item.version
  if facts.source == 'moderator_external' or (same_text and not item.blind) then return end
  local listed = 'i' .. comment_of(facts.item_id, item)
  local before = '(' .. listed .. place_of_entry(entry.id)
  local opinions = {}
  for _, member in ipairs(redis.call('ZREVRANGEBYLEX', LISTED, before, '[' .. listed, 'LIMIT', 0, MOST_BEFORE)) do
    local other = facts_in(entry_of(entry_at(member:sub(#listed + 1))))
    if other and other.item_id == facts.item_id then
      if other.kind ~= 'opinion' or other.version ~= facts.version then break end
      opinions[#opinions + 1] = other
    end
  end
  return opinions
end

local found = redis.call('XRANGE', DECISIONS, '(' .. cursor, '+', 'COUNT', limit)
for _, one in ipairs(found) do
  local entry = by_name(one)
  local facts = facts_in(entry)
  if facts then
    local item = load(facts.item_id)
    list(members_of(facts.item_id, item, entry.id, facts))
    if item and (facts.kind == 'decision' or facts.kind == 'known_answer') then
      local opinions = opinions_before(entry, item, facts)
      list_differences(facts.expected, opinions, entry.id, facts.moderator, facts.action)
    end
  end
end
return { #found == tonumber(limit) and found[#found][1] or '0', #found }
