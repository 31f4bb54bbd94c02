-- Readers' reports about an item.
-- KEYS: reports

local function reports_of(id) -- ids of those that are kept about an item, the oldest first
  return (redis.call('HGET', REPORTS, 'i' .. id) or ''):gmatch('%S+')
end
