-- Writing the record of an item, without what is usual.
-- KEYS: items

local function save(id, item) -- returns the record as it is stored
  if item.state == 'pending' then item.state = nil end -- and still reads as it did
  if item.version == 1 then item.version = nil end
  if item.token == 0 then item.token = nil end
  if item.abandoned == 0 then item.abandoned = nil end
  local record = cjson.encode(item)
  redis.call('HSET', ITEMS, id, record)
  return record
end
