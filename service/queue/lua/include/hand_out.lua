-- Handing an item out to a moderator.
-- KEYS: lines leases
-- include: queue/places queue/save

-- Out of the lines of labels, the troubled and the escalated. The lines of authors, articles and
-- dialects keep it, and those of the escalated of one facet, because taking it out of long lines is
-- dear; whoever walks over them steps over what is leased, which is never much.
local function hand_out(id, item)
  for _, entry in ipairs(places(id, item)) do
    if entry:find('^[lt]') or entry:find('^e%d') then redis.call('ZREM', LINES, entry) end
  end
end

local function lease(id, item, moderator, at, lease_ms) -- returns the record as it is stored
  item.state, item.owner, item.expires = 'leased', moderator, at + lease_ms
  item.token, item.void = item.token + 1, nil
  local record = save(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return record
end
