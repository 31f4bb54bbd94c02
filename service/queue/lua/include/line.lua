-- Taking an item out of the line.
-- KEYS: lines leases
-- include: queue/places

local function waits(item) -- for a decision, in the line or leased
  return item.state == 'pending' or item.state == 'leased'
end

local function take_out(id, item) -- of the lines and of the leases
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  if waits(item) then redis.call('ZREM', LINES, unpack(places(id, item))) end
end
