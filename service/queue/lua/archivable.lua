-- Read entries of the decision stream that may go into an archive, the oldest first: up to the first
-- that the site is still to be told, and never the newest, which the next one is chained to.
-- KEYS: items decisions dead
-- ARGV: after last limit
-- returns: { { id, body, digest }, ... }
-- include: queue/item queue/fields queue/facts

local function still_to_be_told(id, facts)
  if redis.call('ZSCORE', DEAD, id) then return true end
  local item = facts and load(facts.item_id)
  for _, undelivered in ipairs(item and item.undelivered or {}) do
    if undelivered == id then return true end
  end
  return false
end

local newest = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
local answer = {}
for _, found in ipairs(redis.call('XRANGE', DECISIONS, '(' .. after, last, 'COUNT', limit)) do
  local entry = by_name(found)
  if entry.id == newest[1] or still_to_be_told(entry.id, facts_in(entry)) then break end
  answer[#answer + 1] = { entry.id, entry.body or '', entry.digest or '' }
end
return answer
