-- List the deliveries given up, the longest dead first.
-- KEYS: decisions dead endpoint
-- ARGV: limit
-- returns: { { stream id, body or '', given up at (ms), failure }, ... }
-- include: queue/entry queue/facts

local answer = {}
local letters = redis.call('ZRANGE', DEAD, 0, limit - 1, 'WITHSCORES')
for at = 1, #letters, 2 do
  local entry, why = entry_of(letters[at]), redis.call('HGET', ENDPOINT, letters[at])
  local body = facts_in(entry) and entry.body or ''
  answer[#answer + 1] = { letters[at], body, letters[at + 1], why or '' }
end
return answer
