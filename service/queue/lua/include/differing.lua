-- Read model: decisions that differ from what a moderator had said, of each the last ones.
-- KEYS: listed
-- include: queue/place_of_entry queue/list

local N_DIFFERING = 200 -- that are listed of a moderator

local function list_differing(moderator, entry)
  local facet = 'x' .. redis.sha1hex(moderator):sub(1, 12)
  list({ facet .. place_of_entry(entry) })
  local from, till = '[' .. facet, '(' .. facet .. ':'
  if redis.call('ZLEXCOUNT', LISTED, from, till) > N_DIFFERING then
    redis.call('ZREM', LISTED, redis.call('ZRANGEBYLEX', LISTED, from, till, 'LIMIT', 0, 1)[1])
  end
end

-- A moderator's answer that is not the known one; a decision that is not what one of two was for.
local function list_differences(known, opinions, entry, moderator, action)
  if known and known ~= '' and known ~= action then list_differing(moderator, entry) end
  for _, opinion in ipairs(opinions or {}) do
    if opinion.action ~= action then list_differing(opinion.moderator, entry) end
  end
end
