-- Start the time of a lease anew.
-- KEYS: items texts leases
-- ARGV: id token lease_ms
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/token queue/shown

local at, item = now(), load(id)
local lost = why_lost(id, item, token, at)
if lost then return { lost } end
item.expires = at + lease_ms
local record = save(id, item)
redis.call('ZADD', LEASES, item.expires, id)
return shown(id, item, record)
