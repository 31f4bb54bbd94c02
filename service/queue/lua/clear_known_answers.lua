-- Known answers are taken out again; who had them is still barred, should they come back.
-- KEYS: items texts lines leases
-- ARGV: limit
-- returns: { how many }
-- include: queue/id_length queue/item queue/line queue/forget_version

local found = redis.call('ZRANGEBYLEX', LINES, '[c', '(d', 'LIMIT', 0, limit)
for _, entry in ipairs(found) do
  local id = entry:sub(-ID_LENGTH)
  local item = load(id)
  redis.call('ZREM', LINES, entry)
  if item then
    take_out(id, item)
    forget_version(id, item.version, item.token)
  end
  redis.call('HDEL', ITEMS, id)
end
return { #found }
