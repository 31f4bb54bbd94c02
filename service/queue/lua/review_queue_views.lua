-- The verbs of the review queue that change nothing; they follow review_queue.lua.

local N_OLDEST = 50 -- items of the head of the line, among which the oldest is looked for

function verbs.item(id)
  local item = load(id)
  if not item then return { 'missing' } end
  if item.state == 'leased' and item.expires <= now() then -- as the next lease will find it
    item.state, item.owner, item.expires = 'pending', nil, nil
    item.abandoned = item.abandoned + 1
  end
  return shown(id, item)
end

local function shown_all(ids)
  local answer = {}
  for _, id in ipairs(ids) do
    local item, record = load(id), redis.call('HGET', ITEMS, id)
    if record then answer[#answer + 1] = item and shown(id, item, record) or { 'ok', id, record, false } end
  end
  return answer
end

function verbs.waiting(facet, limit)
  local ids = {}
  for id in walk(facet) do
    ids[#ids + 1] = id
    if #ids == tonumber(limit) then break end
  end
  return shown_all(ids)
end

function verbs.held()
  return shown_all(redis.call('ZRANGEBYSCORE', LEASES, '(' .. now(), '+inf'))
end

function verbs.skipped(moderator, facet)
  local n_waiting = 0
  for _, id in ipairs(put_off_by(moderator, now())) do
    local item = load(id)
    local wanted = item and (facet == '' or (item.facets .. ' '):find(facet .. ' ', 1, true))
    if wanted and item.state == 'pending' and not item.escalated then n_waiting = n_waiting + 1 end
  end
  return { n_waiting }
end

function verbs.author(facet)
  return { redis.call('HGET', AUTHORS, facet) }
end

function verbs.stats()
  local at = now()
  local leased = redis.call('ZCOUNT', LEASES, '(' .. at, '+inf')
  local escalated = redis.call('ZLEXCOUNT', LINES, '[e', '(f')
  local expired = redis.call('ZCARD', LEASES) - leased
  local oldest = at
  for _, line in ipairs({ '', 'e' }) do
    local n_seen = 0
    for id in walk(line) do
      local item = load(id)
      oldest, n_seen = item and math.min(oldest, item.since) or oldest, n_seen + 1
      if n_seen == N_OLDEST then break end
    end
  end
  return {
    redis.call('ZLEXCOUNT', LINES, '[l', '(m') + escalated + expired, leased, at - oldest, redis.call('XLEN', DECISIONS),
    redis.call('ZCARD', OUTBOX), redis.call('ZCARD', DEAD), escalated,
    redis.call('ZLEXCOUNT', LINES, '[t', '(u'),
  }
end

local function viewed(entries)
  local answer = {}
  for place, entry in ipairs(entries) do answer[place] = view(entry) end
  return answer
end

function verbs.decisions(after, limit)
  return viewed(redis.call('XRANGE', DECISIONS, after, '+', 'COUNT', limit))
end

function verbs.latest(before, since, limit)
  return viewed(redis.call('XREVRANGE', DECISIONS, before, since, 'COUNT', limit))
end
