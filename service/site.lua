-- Opening of every script: the keys of one site (service/store.py passes them, always all of them
-- and in this order), the clock, an item's record, its place in the line, the decision stream.

local ITEMS, TEXTS, PENDING, FACETS, LEASES, BARRED, DECISIONS, OUTBOX, DEAD, ENDPOINT, AUTHORS,
  BULKS, RETENTION = unpack(KEYS)

local function now() -- milliseconds since the epoch by Redis' own clock
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function load(id) -- the item's record, or false
  local record = redis.call('HGET', ITEMS, id)
  return record and cjson.decode(record)
end

local function save(id, item) -- returns the record as it is stored
  local record = cjson.encode(item)
  redis.call('HSET', ITEMS, id, record)
  return record
end

-- The line

local function facet_members(id, item) -- entries of a waiting item in the facets
  local due = string.format('%013d', item.due) .. id
  if item.escalated then return { 'e' .. due } end -- for seniors, whatever they look for
  local members = {}
  for place, facet in ipairs(item.facets) do members[place] = facet .. due end
  if item.abandoned >= TROUBLED_AFTER then members[#members + 1] = 't' .. due end
  return members
end

local function line_up(id, item) -- into the line, at the place its due time gives it
  item.state, item.owner, item.expires = 'pending', nil, nil
  save(id, item)
  if not item.escalated then redis.call('ZADD', PENDING, item.due, id) end
  local scored = {}
  for place, member in ipairs(facet_members(id, item)) do
    scored[2 * place - 1], scored[2 * place] = 0, member
  end
  if #scored > 0 then redis.call('ZADD', FACETS, unpack(scored)) end
  redis.call('ZREM', LEASES, id)
end

local function take_out(id, item) -- of the line and of every lease
  if item.state == 'pending' then
    redis.call('ZREM', PENDING, id)
    local members = facet_members(id, item)
    if #members > 0 then redis.call('ZREM', FACETS, unpack(members)) end
  end
  redis.call('ZREM', LEASES, id)
end

-- The decision stream

-- An entry is a JSON body and the SHA-1 of the digest before it and this body. `facts` comes as
-- JSON from Python and is not parsed here, because Lua cannot tell [] from {}.
local function append(context, facts)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  local body = cjson.encode(context):sub(1, -2) .. ',' .. facts:sub(2)
  local digest = redis.sha1hex((last and last[2][4] or '') .. body)
  return redis.call('XADD', DECISIONS, '*', 'body', body, 'digest', digest), body
end

-- An entry about an item; returns its id and its body.
local function record(kind, id, item, at, facts, more)
  local context = {
    kind = kind, item_id = id, version = item.version, token = item.token, verdict = item.verdict,
    comment_id = item.comment_id, enqueued_at = item.since, decided_at = at,
  }
  for name, value in pairs(more or {}) do context[name] = value end
  return append(context, facts)
end

local function entry_of(id)
  return redis.call('XRANGE', DECISIONS, id, id)[1]
end
