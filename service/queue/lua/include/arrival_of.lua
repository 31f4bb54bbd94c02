-- What the order in which comments came holds of an item.
-- KEYS: arrivals
-- include: queue/arrival_place

local function arrival_of(id, item) -- the signature of its words, and the member; nil where there is none
  local place = arrival_place(id, item)
  local member = redis.call('ZRANGEBYLEX', ARRIVALS, '[' .. place, '(' .. place .. '\127', 'LIMIT', 0, 1)[1]
  if member then return member:sub(#place + 1), member end
end
