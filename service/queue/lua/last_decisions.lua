-- Read the last decisions on a comment, of an author or under an article, the newest first.
-- KEYS: items texts decisions decided figures
-- ARGV: list
-- returns: { 1 where all older ones are known, else 0; entry (see queue/view), ... }
-- include: queue/view queue/read_in

local answer = { all_read_in() }
for id in (redis.call('HGET', DECIDED, list) or ''):gmatch('%S+') do
  local entry = entry_of(id)
  if entry then answer[#answer + 1] = view(entry) end
end
return answer
