-- The record of an item. Its fields are described in service/queue/encoding.py.
-- KEYS: items
-- include: queue/record

-- What is usual is not written.
local USUALLY = { __index = { state = 'pending', version = 1, token = 0, abandoned = 0 } }

local function usually(item) -- where the item does not say, what is usual
  return setmetatable(item, USUALLY)
end

local function is_table(value) return value == nil or type(value) == 'table' end

-- Whether scripts can work with an item and write it again; raises an error where they cannot even
-- look. Short, because every verb asks it.
local function is_sound(item)
  local verdict = item.verdict
  local numbers = item.version + item.token + item.abandoned + item.since + item.due
    + (item.expires or 0) + (item.decided or 0) + (item.attempts or 0) + (item.dead or 0)
    + (verdict.score or 0) + (verdict.sampling_probability or 0)
  local words = item.state .. item.comment_id .. (item.digest or '') .. (item.owner or '')
  local nested = item.opinions or item.appeal or item.answers
  return numbers - numbers == 0 and words and type(item.facets) == 'table'
    and is_table(item.undone) and is_table(item.undelivered)
    and (not nested or type(nested) == 'table' and is_finite(item))
end

-- The item that a record is about; nil for a record that nobody can work with, so that it is as if
-- it were not there, and what waits behind it does not wait for it.
local function parsed(record)
  local item = decoded(record)
  if not item then return nil end
  local known, sound = pcall(is_sound, usually(item))
  return known and sound and item or nil
end

local function written(item)
  if item.state == 'pending' then item.state = nil end -- and still reads as it did
  if item.version == 1 then item.version = nil end
  if item.token == 0 then item.token = nil end
  if item.abandoned == 0 then item.abandoned = nil end
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

local function waits(item) -- for a decision, in the line or leased
  return item.state == 'pending' or item.state == 'leased'
end

local function facet_of(item, kind) -- its facet of a kind, if any: l, a, u or d
  for _, facet in ipairs(item.facets) do
    if facet:sub(1, 1) == kind then return facet end
  end
end
