-- Read the doubtful decisions that nobody has confirmed.
-- KEYS: items texts decisions doubts
-- ARGV:
-- returns: { when they were looked for (ms) or false, { share, entry (see queue/view) }, ... }
-- include: queue/entry queue/view

local stored, answer = redis.call('HGETALL', DOUBTS), { redis.call('HGET', DOUBTS, 'looked_at') }
for place = 1, #stored, 2 do
  local entry, said = stored[place], stored[place + 1]
  local found = entry ~= 'looked_at' and said ~= 'stands' and entry_of(entry)
  if found then answer[#answer + 1] = { said, view(found) } end
end
return answer
