-- Putting an item into the line.
-- KEYS: lines leases
-- include: queue/clock queue/places queue/save queue/forget_later

local function line_up(id, item) -- at the place its due time gives it
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  item.state, item.owner, item.expires = item.mixed_in and 'withdrawn' or 'pending', nil, nil
  save(id, item)
  if item.mixed_in then -- a known answer that its moderator left: it is offered once
    return forget_later(id, item, now())
  end
  local scored = {}
  for place, entry in ipairs(places(id, item)) do
    scored[2 * place - 1], scored[2 * place] = 0, entry
  end
  redis.call('ZADD', LINES, unpack(scored))
end
