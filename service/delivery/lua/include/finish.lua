-- The end of a delivery.
-- include: delivery/schedule

local function finish(id, item, at) -- the first delivery of the item is over: on to the next
  table.remove(item.undelivered, 1)
  schedule(id, item, at)
end
