-- The record of an item as the next lease will find it.
-- include: queue/clock

local function as_now(item, record) -- without a lease that has run out
  if item.state ~= 'leased' or item.expires > now() then return record end
  item.state, item.owner, item.expires = 'pending', nil, nil
  item.abandoned = item.abandoned + 1
  return cjson.encode(item)
end
