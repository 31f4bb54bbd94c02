-- Show an item as it is now.
-- KEYS: items texts
-- ARGV: id
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' }
-- include: queue/item queue/text queue/as_now

local item, record = load(id)
if not item then return { record and 'unreadable' or 'missing' } end
return { 'ok', id, as_now(item, record), text_of(id, item) }
