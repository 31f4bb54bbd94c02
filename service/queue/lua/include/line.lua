-- Taking an item out of the line.
-- KEYS: lines leases
-- include: queue/places queue/waits

local function take_out(id, item) -- of the lines and of the leases
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  if waits(item) then redis.call('ZREM', LINES, unpack(places(id, item))) end
end
