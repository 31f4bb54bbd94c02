-- Show an item as it is now.
-- KEYS: items texts
-- ARGV: id
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' }
-- include: queue/clock queue/shown

local item = load(id)
if not item then return { why_absent(id) } end
if item.state == 'leased' and item.expires <= now() then -- as the next lease will find it
  item.state, item.owner, item.expires = 'pending', nil, nil
  item.abandoned = item.abandoned + 1
end
return shown(id, item)
