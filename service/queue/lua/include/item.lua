-- The record of an item. Its fields are described in service/queue/encoding.py.
-- KEYS: items
-- include: queue/record

local USUAL = { state = 'pending', version = 1, token = 0, abandoned = 0 } -- not written

local KINDS = {
  state = 'string', version = 'number', token = 'number', abandoned = 'number', since = 'number',
  due = 'number', comment_id = 'string', verdict = 'table', facets = 'table',
}

local KINDS_WHERE_GIVEN = {
  digest = 'string', owner = 'string', expires = 'number', decided = 'number', opinions = 'table',
  undone = 'table', undelivered = 'table', appeal = 'table',
}

local function usually(item) -- where the item does not say, what is usual
  return setmetatable(item, { __index = USUAL })
end

-- The item that a record is about; nil for a record that nobody can work with, so that it is as if
-- it were not there, and what waits behind it does not wait for it.
local function parsed(record)
  local item = decoded(record)
  if not item then return nil end
  usually(item)
  for name, kind in pairs(KINDS) do
    if type(item[name]) ~= kind then return nil end
  end
  for name, kind in pairs(KINDS_WHERE_GIVEN) do
    if item[name] ~= nil and type(item[name]) ~= kind then return nil end
  end
  return item
end

local function written(item)
  for name, usual in pairs(USUAL) do
    if item[name] == usual then item[name] = nil end -- and still reads as it did
  end
  return cjson.encode(item)
end

local function load(id) -- the item, or nil
  local record = redis.call('HGET', ITEMS, id)
  return record and parsed(record) or nil
end

local function save(id, item) -- returns the record as it is stored
  local record = written(item)
  redis.call('HSET', ITEMS, id, record)
  return record
end

local function why_absent(id) -- of an item that could not be loaded
  return redis.call('HEXISTS', ITEMS, id) == 1 and 'unreadable' or 'missing'
end

local function waits(item) -- for a decision, in the line or in somebody's hands
  return item.state == 'pending' or item.state == 'leased'
end

local function facet_of(item, kind) -- its facet of a kind, if any: l, a, u or d
  for _, facet in ipairs(item.facets) do
    if facet:sub(1, 1) == kind then return facet end
  end
end
