-- The verbs of the review queue; ARGV[1] names the verb. Keys, fields and states are described at
-- the top of review_queue.py. Where memory may run out, a verb's first write is one that Redis
-- refuses then, so that it writes everything or nothing.

local ID_LENGTH = 22

local function text_of(id, item)
  return redis.call('HGET', TEXTS, id .. ':' .. item.version)
end

local function facet_members(id, item) -- 'at' lists all items by time of arrival
  local members = { 'at' .. string.format('%013d', item.since) .. id }
  for _, facet in ipairs(item.facets) do
    members[#members + 1] = facet .. string.format('%013d', item.due) .. id
  end
  return members
end

local function line_up(id, item) -- into the line, at the place its due time gives it
  item.state, item.owner, item.expires = 'pending', nil, nil
  save(id, item)
  redis.call('ZADD', PENDING, item.due, id)
  for _, member in ipairs(facet_members(id, item)) do redis.call('ZADD', FACETS, 0, member) end
end

local function take_out(id, item) -- of the line and of every lease
  redis.call('ZREM', LEASES, id)
  if redis.call('ZREM', PENDING, id) == 1 then
    redis.call('ZREM', FACETS, unpack(facet_members(id, item)))
  end
end

local function return_expired(at)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', at)) do
    local item = load(id)
    item.abandoned = item.abandoned + 1
    line_up(id, item)
    redis.call('ZREM', LEASES, id)
  end
end

local function why_lost(item, token, at) -- false while the token gives the right to decide
  if not item then return 'missing' end
  if item.token ~= token or item.state ~= 'leased' then
    return item.void or (item.state == 'decided' and 'decided') or 'expired'
  end
  return item.expires <= at and 'expired'
end

-- A stream entry is a JSON body and the SHA-1 of the digest before it and this body.
local function append(context, facts)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  local body = cjson.encode(context):sub(1, -2) .. ',' .. facts:sub(2)
  local digest = redis.sha1hex((last and last[2][4] or '') .. body)
  return redis.call('XADD', DECISIONS, '*', 'body', body, 'digest', digest)
end

local verbs = {}

function verbs.enqueue(id, digest, slack, facts, content)
  local at, item = now(), load(id)
  if item and item.digest == digest then return { 0, item.version, item.state } end
  local open = item and item.state ~= 'decided'
  local fresh = cjson.decode(facts)
  fresh.digest = digest
  fresh.version = item and item.version + 1 or 1
  fresh.token = item and item.token or 0
  fresh.abandoned = open and item.abandoned or 0
  fresh.since = open and item.since or at -- an edit does not send an open comment back in the line
  fresh.due = fresh.since + slack
  fresh.void = item and item.state == 'leased' and 'edited' or nil
  fresh.undelivered, fresh.attempts = item and item.undelivered, item and item.attempts
  redis.call('HSET', TEXTS, id .. ':' .. fresh.version, content)
  if open then
    take_out(id, item)
    redis.call('HDEL', TEXTS, id .. ':' .. item.version)
  end
  line_up(id, fresh)
  return { 1, fresh.version, 'pending' }
end

function verbs.lease(moderator, lease_ms, facet)
  local at = now()
  return_expired(at)
  local id
  if facet == '' then
    id = redis.call('ZRANGE', PENDING, 0, 0)[1]
  else
    local first = redis.call('ZRANGEBYLEX', FACETS, '[' .. facet, '(' .. facet .. ':', 'LIMIT', 0, 1)
    id = first[1] and first[1]:sub(-ID_LENGTH)
  end
  if not id then return {} end
  local item = load(id)
  item.state, item.owner, item.expires = 'leased', moderator, at + lease_ms
  item.token, item.void = item.token + 1, nil
  save(id, item)
  take_out(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return { id, cjson.encode(item), text_of(id, item) }
end

function verbs.renew(id, token, lease_ms)
  local at, item = now(), load(id)
  local lost = why_lost(item, tonumber(token), at)
  if lost then return { lost } end
  item.expires = at + lease_ms
  save(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return { 'ok', cjson.encode(item), text_of(id, item) }
end

function verbs.release(id, token)
  local item = load(id)
  local lost = why_lost(item, tonumber(token), now())
  if lost then return { lost } end
  line_up(id, item)
  redis.call('ZREM', LEASES, id)
  return { 'ok' }
end

function verbs.decide(id, token, moderator, request, facts, note)
  local at, item = now(), load(id)
  token = tonumber(token)
  if item and item.state == 'decided' and item.request == request then
    return { 'ok', entry_of(item.decision), text_of(id, item), note }
  end
  local lost = why_lost(item, token, at) or (item.owner ~= moderator and 'expired')
  if lost then return { lost } end
  item.decision = append({
    item_id = id, version = item.version, token = token, verdict = item.verdict,
    comment_id = item.comment_id, enqueued_at = item.since, decided_at = at,
  }, facts)
  item.state, item.owner, item.expires = 'decided', nil, nil
  item.request, item.decided = request, at
  item.undelivered = item.undelivered or {}
  table.insert(item.undelivered, item.decision)
  save(id, item)
  if note ~= '' then redis.call('HSET', TEXTS, id .. ':' .. item.version .. ':' .. token, note) end
  redis.call('ZREM', LEASES, id)
  if #item.undelivered == 1 then redis.call('ZADD', OUTBOX, at, id) end
  return { 'ok', entry_of(item.decision), text_of(id, item), note }
end

function verbs.item(id)
  local item = load(id)
  if not item then return {} end
  if item.state == 'leased' and item.expires <= now() then
    item.state, item.owner, item.expires = 'pending', nil, nil
    item.abandoned = item.abandoned + 1
  end
  return { id, cjson.encode(item), text_of(id, item) }
end

function verbs.stats()
  local at = now()
  local leased = redis.call('ZCOUNT', LEASES, '(' .. at, '+inf')
  local pending = redis.call('ZCARD', PENDING) + redis.call('ZCARD', LEASES) - leased
  local first = redis.call('ZRANGEBYLEX', FACETS, '[at', '(au', 'LIMIT', 0, 1)[1]
  local oldest = first and at - first:sub(3, 15) or 0
  return {
    pending, leased, oldest, redis.call('XLEN', DECISIONS), redis.call('ZCARD', OUTBOX),
    redis.call('ZCARD', DEAD),
  }
end

function verbs.decisions(after, limit)
  local answer = {}
  for _, entry in ipairs(redis.call('XRANGE', DECISIONS, after, '+', 'COUNT', limit)) do
    local facts = cjson.decode(entry[2][2])
    local field = facts.item_id .. ':' .. facts.version
    local texts = redis.call('HMGET', TEXTS, field, field .. ':' .. facts.token)
    answer[#answer + 1] = { { entry[1], entry[2][2], entry[2][4] }, texts[1], texts[2] }
  end
  return answer
end

return verbs[ARGV[1]](unpack(ARGV, 2))
