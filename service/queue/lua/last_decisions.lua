-- Read the last decisions on a comment, of an author or under an article, the newest first.
-- KEYS: items texts decisions decided
-- ARGV: list limit
-- returns: { entry (see queue/view), ... }
-- include: queue/entry queue/view

local answer = {}
for id in (redis.call('HGET', DECIDED, list) or ''):gmatch('%S+') do
  local entry = entry_of(id)
  if entry then answer[#answer + 1] = view(entry) end
  if #answer == tonumber(limit) then break end
end
return answer
