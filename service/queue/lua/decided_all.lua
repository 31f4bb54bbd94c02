-- Read what one script decided of a group.
-- KEYS: items texts decisions bulks
-- ARGV: request number
-- returns: { entry (see queue/view), ... }, none where there were not so many scripts
-- include: queue/entry queue/view

local slice = redis.call('HGET', BULKS, 'slice:' .. number .. ':' .. request)
local answer = {}
for _, entry in ipairs(slice and cjson.decode(slice) or {}) do answer[#answer + 1] = view(entry_of(entry)) end
return answer
