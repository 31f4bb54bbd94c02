-- Start the time of a lease anew.
-- KEYS: items texts leases
-- ARGV: id token lease_ms
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/item queue/save queue/token queue/text

local at, item, record = now(), load(id)
local lost = why_lost(item, record, token, at)
if lost then return { lost } end
item.expires = at + lease_ms
record = save(id, item)
redis.call('ZADD', LEASES, item.expires, id)
return { 'ok', id, record, text_of(id, item) }
