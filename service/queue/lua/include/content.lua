-- Which text a decision is about.
-- include: queue/item

local NO_DIGEST = '.' -- of a content that is not known, or was erased

-- Whether the text that an entry of the stream is about has been replaced since.
local function superseded(item, facts)
  local version, current = facts.version, item
  if item.appeal then -- one of an older version does not say
    version, current = item.appeal.version, load(item.appeal.item_id)
  end
  return version and current and current.version > version
end
