-- List entries of the decision stream that an older version has written, a page at a time.
-- KEYS: items decisions listed
-- ARGV: cursor limit
-- returns: { next cursor, or '0' where there are no more, how many were looked at }
-- include: queue/fields queue/facts queue/item queue/listed queue/list

local found = redis.call('XRANGE', DECISIONS, '(' .. cursor, '+', 'COUNT', limit)
for _, one in ipairs(found) do
  local entry = by_name(one)
  local facts = facts_in(entry)
  if facts then list(members_of(facts.item_id, load(facts.item_id), entry.id, facts)) end
end
return { #found == tonumber(limit) and found[#found][1] or '0', #found }
