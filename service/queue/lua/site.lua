-- Opening of every script: the clock, an item's record, its place in the line, the decision stream.
-- service/store/scripts.py hands each verb the keys and functions that it names.

local function now() -- milliseconds since the epoch by Redis' own clock
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

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

local NO_DIGEST = '.' -- of a content that is not known, or was erased

-- Whether a digest given now is the one that is known; older versions kept its first 12 characters.
local function same(known, given) return given:sub(1, #known) == known end

-- Whether the text that an entry of the stream is about has been replaced since.
local function superseded(item, facts)
  local version, current = facts.version, item
  if item.appeal then -- one of an older version does not say
    version, current = item.appeal.version, load(item.appeal.item_id)
  end
  return version and current and current.version > version
end

local function forget_version(id, version, last_token) -- its text, and what was written on it
  local field = id .. ':' .. version
  redis.call('HDEL', TEXTS, field)
  for token = 1, last_token do redis.call('HDEL', TEXTS, field .. ':' .. token) end
end

-- The line

local function entries(id, item) -- of a waiting item in the lines
  local place = item.due .. id -- until the year 2286 all times have 13 digits
  if item.calibration then return { 'c' .. place } end -- in no line, only ever mixed in
  if item.escalated then return { 'e' .. place } end -- for seniors, whatever they look for
  local found = {}
  for facet in item.facets:gmatch('%S+') do found[#found + 1] = facet .. place end
  if item.abandoned >= TROUBLED_AFTER then found[#found + 1] = 't' .. place end
  return found
end

local function line_up(id, item) -- into the line, at the place its due time gives it
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  item.state, item.owner, item.expires = item.mixed_in and 'withdrawn' or 'pending', nil, nil
  save(id, item)
  if item.mixed_in then -- a calibration item that its moderator left: it is offered once
    return redis.call('ZADD', RETENTION, now(), 'item:' .. id .. ':' .. item.version)
  end
  local scored = {}
  for place, entry in ipairs(entries(id, item)) do
    scored[2 * place - 1], scored[2 * place] = 0, entry
  end
  redis.call('ZADD', LINES, unpack(scored))
end

local function take_out(id, item) -- of the lines, and of the hands that hold it
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  if waits(item) then
    redis.call('ZREM', LINES, unpack(entries(id, item)))
  end
end

-- The decision stream

-- An entry is a JSON body and the SHA-1 of the digest before it and this body. `facts` comes as
-- JSON from Python and is not parsed here, because Lua cannot tell [] from {}.
local function append(context, facts)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  local body = context .. ',' .. facts:sub(2)
  local digest = redis.sha1hex((last and last[2][4] or '') .. body)
  return redis.call('XADD', DECISIONS, '*', 'body', body, 'digest', digest), body
end

-- An entry about an item; returns its id and its body.
local function tell_stream(kind, id, item, at, facts, more)
  local context = '{"kind":"' .. kind .. '","item_id":"' .. id .. '","version":' .. item.version
    .. ',"token":' .. item.token .. ',"comment_id":' .. item.comment_id .. ',"verdict":'
    .. item.verdict .. ',"enqueued_at":' .. item.since .. ',"decided_at":' .. at
  if more and next(more) then context = context .. ',' .. cjson.encode(more):sub(2, -2) end
  return append(context, facts)
end

local function entry_of(id)
  return redis.call('XRANGE', DECISIONS, id, id)[1]
end

-- What an entry says; nil where there is none, or it cannot be read.
local function facts_in(entry)
  local known, facts = pcall(cjson.decode, entry and entry[2][2])
  known = known and type(facts) == 'table' and type(facts.item_id) == 'string'
  return known and type(facts.version) == 'number' and type(facts.token) == 'number' and facts or nil
end
