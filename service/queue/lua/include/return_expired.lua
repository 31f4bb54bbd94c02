-- What people held until their time ran out.
-- KEYS: leases
-- include: queue/item queue/line_up

local function return_expired(at) -- to the lines
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', at)) do
    local item = load(id)
    if item then
      item.abandoned = item.abandoned + 1
      line_up(id, item)
    else
      redis.call('ZREM', LEASES, id)
    end
  end
end
