-- The record of an item.
-- KEYS: items

-- An item's record is four lines: what scripts work with, divided by blanks; the comment's id and
-- the verdict, in JSON, which go into the stream as they are; and the rest as a JSON object, or
-- nothing while there is no rest. In a script all of it reads as one table.
local RECORD = '^(%l+) (%d+) (%d+) (%d+) (%d+) (%S+) (%S+) ?([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'

local KINDS = {
  owner = 'string', expires = 'number', decided = 'number', opinions = 'table',
  undone = 'table', undelivered = 'table',
}

-- The item that a record is about; false for a record that nobody can work with, so that it is as
-- if it were not there, and what waits behind it does not wait for it.
local function parsed(record)
  local state, version, token, abandoned, since, due, digest, facets, comment_id, verdict, rest =
    record:match(RECORD)
  if not state then return false end
  local known, more = true, {}
  if rest ~= '' then known, more = pcall(cjson.decode, rest) end
  if not known or type(more) ~= 'table' then return false end
  for name, kind in pairs(KINDS) do
    if more[name] ~= nil and type(more[name]) ~= kind then return false end
  end
  return setmetatable({
    state = state, version = tonumber(version), token = tonumber(token),
    abandoned = tonumber(abandoned), since = since, due = due, digest = digest, facets = facets,
    comment_id = comment_id, verdict = verdict,
  }, { __index = more, __newindex = more })
end

local function written(item)
  local more = getmetatable(item).__index
  return item.state .. ' ' .. item.version .. ' ' .. item.token .. ' ' .. item.abandoned .. ' '
    .. item.since .. ' ' .. item.due .. ' ' .. item.digest .. ' ' .. item.facets .. '\n'
    .. item.comment_id .. '\n' .. item.verdict .. '\n' .. (next(more) and cjson.encode(more) or '')
end

local function load(id) -- the item, or false
  local record = redis.call('HGET', ITEMS, id)
  return record and parsed(record)
end

local function save(id, item) -- returns the record as it is stored
  local record = written(item)
  redis.call('HSET', ITEMS, id, record)
  return record
end

local function waits(item) -- for a decision, in the line or in somebody's hands
  return item.state == 'pending' or item.state == 'leased'
end
