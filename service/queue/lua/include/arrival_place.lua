-- The place of an item in the order in which comments came.

local function arrival_place(id, item)
  return ('%013.0f'):format(item.since) .. id
end
