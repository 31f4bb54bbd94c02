-- Read the entries about a comment, of an author, under an article or of a moderator, the newest first.
-- KEYS: items texts decisions listed
-- ARGV: facet before limit
-- returns: { id of the last one looked at where there are older ones, else '', entry (see queue/view), ... }
-- include: queue/entry queue/view queue/entry_at queue/place_of_entry

limit = tonumber(limit)
local newest = '(' .. facet .. (before == '' and ':' or place_of_entry(before))
local found = redis.call('ZREVRANGEBYLEX', LISTED, newest, '[' .. facet, 'LIMIT', 0, limit + 1)
local answer = { '' }
for place, member in ipairs(found) do
  local id = entry_at(member:sub(#facet + 1))
  if place > limit then break end
  if place == limit and found[limit + 1] then answer[1] = id end
  local entry = entry_of(id)
  if entry then answer[#answer + 1] = view(entry) end -- else it is in an archive
end
return answer
