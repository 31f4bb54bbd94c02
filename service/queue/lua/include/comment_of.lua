-- The item of the comment that an appeal is about.
-- include: queue/item

local function comment_of(id, item) -- the item of the comment that an appeal is about, in the end
  while item and item.appeal do
    id = item.appeal.item_id
    item = load(id)
  end
  return id, item
end
