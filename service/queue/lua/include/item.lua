-- The record of an item. Its fields are described in service/queue/encoding.py.
-- KEYS: items
-- include: queue/record queue/finite

local USUALLY = { __index = { state = 'pending', version = 1, token = 0, abandoned = 0 } } -- not written

-- Whether scripts can work with an item and write it again; raises an error where they cannot even
-- look. Short, because every verb asks it.
local function is_sound(item)
  local verdict, undone, undelivered = item.verdict, item.undone or {}, item.undelivered or {}
  local numbers = item.version + item.token + item.abandoned + item.since + item.due
    + (item.expires or 0) + (item.decided or 0) + (item.attempts or 0) + (item.dead or 0) + (item.edited or 0)
    + (verdict.score or 0) + (verdict.sampling_probability or 0)
  local words = item.state .. item.comment_id .. (item.digest or '') .. (item.owner or '')
  local nested = item.opinions or item.appeal or item.answers or item.reported or item.left
  return numbers - numbers == 0 and words and type(item.facets) == 'table'
    and type(undone) == 'table' and type(undelivered) == 'table'
    and (not nested or type(nested) == 'table' and is_finite(item))
end

-- The item, and its record if there is one. Nil for a record that nobody can work with, so that it is
-- as if it were not there, and what waits behind it does not wait for it.
local function load(id)
  local record = redis.call('HGET', ITEMS, id)
  local item = record and decoded(record)
  if not item then return nil, record end
  local known, sound = pcall(is_sound, setmetatable(item, USUALLY))
  return known and sound and item or nil, record
end
