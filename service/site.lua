-- Opening of every script: the keys of one site (service/store.py passes them, always all of them
-- and in this order), the clock, an item's record, the chain of the decision stream.

local ITEMS, TEXTS, PENDING, ESCALATED, FACETS, LEASES, BARRED, DECISIONS, OUTBOX, DEAD, ENDPOINT,
  AUTHORS, BULKS, RETENTION = unpack(KEYS)

local function now() -- milliseconds since the epoch by Redis' own clock
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function load(id) -- the item's record, or false
  local record = redis.call('HGET', ITEMS, id)
  return record and cjson.decode(record)
end

local function save(id, item)
  redis.call('HSET', ITEMS, id, cjson.encode(item))
end

local function entry_of(id) -- a decision: stream id, body, digest
  local entry = redis.call('XRANGE', DECISIONS, id, id)[1]
  return entry and { entry[1], entry[2][2], entry[2][4] }
end
