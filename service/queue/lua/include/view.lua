-- An entry of the decision stream, with what is known beside it.
-- KEYS: texts
-- include: queue/content queue/entry

local function stands(item, entry) -- until it is undone or overturned
  for _, undone in ipairs(item.undone or {}) do
    if undone == entry then return false end
  end
  return true
end

-- An entry, what may be erased beside it, whether it stands, whether its text was replaced, and the
-- digest of that text unless it was.
local function view(entry)
  local facts = facts_in(entry)
  if not facts then return { entry and entry[1] or '0-0', '', false, false, 0, 0, NO_DIGEST } end
  local field, item = facts.item_id .. ':' .. facts.version, load(facts.item_id)
  local texts = redis.call('HMGET', TEXTS, field, field .. ':' .. facts.token)
  local standing = (not item or stands(item, entry[1])) and 1 or 0
  local replaced = item and superseded(item, facts) and 1 or 0
  local digest = item and item.version == facts.version and item.digest or NO_DIGEST
  return { entry[1], entry[2][2], texts[1], texts[2], standing, replaced, digest }
end
