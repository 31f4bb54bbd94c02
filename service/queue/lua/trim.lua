-- Remove the oldest entries of the decision stream, up to one with this digest, and remember that
-- one, so that the hash chain goes on from it. Only from where the last trim ended.
-- The lists of moderators go by `unlisted`, members about these entries.
-- KEYS: decisions site listed
-- ARGV: after last digest unlisted...
-- returns: { how many were removed }; 0 where the stream does not begin after `after`, or `last` differs
-- include: queue/entry queue/archived

local known, _, n_known = archived()
local entry = entry_of(last)
if known ~= after or not entry or entry.digest ~= digest then return { 0 } end
local time, number = last:match('^(%d+)-(%d+)$')
local n_removed = redis.call('XTRIM', DECISIONS, 'MINID', '=', time .. '-' .. string.format('%.0f', number + 1))
if #unlisted > 0 then redis.call('ZREM', LISTED, unpack(unlisted)) end
redis.call('HSET', SITE, 'archived', last .. ' ' .. digest .. ' ' .. string.format('%.0f', n_known + n_removed))
return { n_removed }
