-- Taking an item out of the order in which comments came.
-- KEYS: arrivals
-- include: queue/arrival_of

local function forget_arrival(id, item) -- returns the signature; nil where there was none
  local signature, member = arrival_of(id, item)
  if member then redis.call('ZREM', ARRIVALS, member) end
  return signature
end
