-- Forget what came before a time, the oldest first.
-- KEYS: feedback feedback_index
-- ARGV: before limit
-- returns: { how many }
-- include: queue/feedback

local old = redis.call('XRANGE', FEEDBACK, '-', '(' .. before, 'COUNT', limit)
for _, entry in ipairs(old) do drop(entry) end
return { #old }
