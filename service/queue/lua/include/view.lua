-- An entry of the decision stream, with what is known beside it.
-- KEYS: texts
-- include: queue/content queue/facts queue/stands

-- An entry, what may be erased beside it, whether it stands, whether its text was replaced, and the
-- digest of that text unless it was: { stream id, body, content, words, stands (1 or 0), superseded
-- (1 or 0), digest }.
local function view_of(entry, body, facts, item)
  local field = facts.item_id .. ':' .. facts.version
  local texts = redis.call('HMGET', TEXTS, field, field .. ':' .. facts.token)
  local standing = (not item or stands(item, entry)) and 1 or 0
  local replaced = item and superseded(item, facts) and 1 or 0
  local digest = item and item.version == facts.version and item.digest or ''
  return { entry, body, texts[1], texts[2], standing, replaced, digest }
end

local function view(entry) -- which may be one that cannot be read, or none
  local facts = facts_in(entry)
  if not facts then return { entry and entry.id or '0-0', '', false, false, 0, 0, '' } end
  return view_of(entry.id, entry.body, facts, load(facts.item_id))
end
