-- Read the decision stream, the oldest first.
-- KEYS: items texts decisions site
-- ARGV: after limit
-- returns: { 'ok', entry (see queue/view), ... }
-- returns: { 'unknown' } where no entry has had this id yet
-- returns: { 'archived', id of the last entry that is in an archive and no longer here } before that
-- include: queue/archived queue/fields queue/last_id queue/order queue/view

local last = archived()
if precedes(after, last) then return { 'archived', last } end
if after:find('-', 1, true) and precedes(last_id(), after) then return { 'unknown' } end
local answer = { 'ok' }
for _, found in ipairs(redis.call('XRANGE', DECISIONS, '(' .. after, '+', 'COUNT', limit)) do
  answer[#answer + 1] = view(by_name(found))
end
return answer
