-- Which text a decision is about.
-- include: queue/item

-- Whether the text that an entry of the stream is about has been replaced since.
local function superseded(item, facts)
  local version, current = facts.version, item
  if item.appeal then version, current = item.appeal.version, load(item.appeal.item_id) end
  return current and current.version > version
end
