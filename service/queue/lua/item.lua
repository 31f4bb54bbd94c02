-- Show an item as it is now.
-- KEYS: items texts
-- ARGV: id
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' }
-- include: queue/clock queue/item queue/text

local item, record = load(id)
if not item then return { record and 'unreadable' or 'missing' } end
if item.state == 'leased' and item.expires <= now() then -- as the next lease will find it
  item.state, item.owner, item.expires = 'pending', nil, nil
  item.abandoned = item.abandoned + 1
  record = cjson.encode(item)
end
return { 'ok', id, record, text_of(id, item) }
