-- The delivery that is under way.
-- include: queue/item

local function under_way(id, delivery) -- the item, while this delivery is its first
  local item = load(id)
  return item and item.undelivered and item.undelivered[1] == delivery and item
end
