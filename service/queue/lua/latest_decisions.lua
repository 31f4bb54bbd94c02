-- Read the decision stream backwards, the newest first.
-- KEYS: items texts decisions
-- ARGV: before limit
-- returns: { entry (see queue/view), ... }
-- include: queue/fields queue/view

local answer, newest = {}, before == '' and '+' or '(' .. before
for _, found in ipairs(redis.call('XREVRANGE', DECISIONS, newest, '-', 'COUNT', limit)) do
  answer[#answer + 1] = view(by_name(found))
end
return answer
