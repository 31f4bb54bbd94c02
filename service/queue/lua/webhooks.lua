-- The verbs of delivery. An item's record lists its deliveries that are
-- still to be made, oldest first; the outbox says when the first of them is due.

local function schedule(id, item, at) -- the item's first delivery, if any, is due
  item.attempts = nil
  if #item.undelivered == 0 then item.undelivered = nil end
  save(id, item)
  if item.undelivered then
    redis.call('ZADD', OUTBOX, at, id)
  else
    redis.call('ZREM', OUTBOX, id)
  end
end

local function finish(id, item, at) -- the first delivery of the item is over: on to the next
  table.remove(item.undelivered, 1)
  schedule(id, item, at)
end

local function under_way(id, delivery) -- the item, while this delivery is its first
  local item = load(id)
  return item and item.undelivered and item.undelivered[1] == delivery and item
end

local function place(delivery) -- number by which stream ids can be ordered
  local time, sequence = delivery:match('^(%d+)-(%d+)')
  return time * 1000 + sequence
end

local function note_failure(failure, at)
  redis.call('HSET', ENDPOINT, 'failure', failure)
  redis.call('HSETNX', ENDPOINT, 'failing', at)
end

local verbs = {}

function verbs.claim(hold_ms)
  local at = now()
  if redis.call('HEXISTS', ENDPOINT, 'disabled') == 1 then return {} end
  local id, item, entry, facts
  repeat -- past what has nothing to tell, or tells of a text that has been replaced since
    id = redis.call('ZRANGEBYSCORE', OUTBOX, '-inf', at, 'LIMIT', 0, 1)[1]
    if not id then return {} end
    redis.call('ZADD', OUTBOX, at + hold_ms, id) -- first, so that what fails below bars no other
    item = load(id)
    if not item and redis.call('HEXISTS', ITEMS, id) == 1 then
      return redis.error_reply('ERR a record cannot be read')
    end
    local delivery = item and item.undelivered and item.undelivered[1]
    entry = delivery and entry_of(delivery)
    facts = facts_in(entry)
    local useless = not delivery or (facts and superseded(item, facts))
    if not delivery then redis.call('ZREM', OUTBOX, id) elseif useless then finish(id, item, at) end
  until not useless
  item.attempts = (item.attempts or 0) + 1
  save(id, item)
  if not facts then return { id, item.undelivered[1], '', item.attempts, '', '' } end
  local words = redis.call('HGET', TEXTS, id .. ':' .. facts.version .. ':' .. facts.token)
  return { id, entry[1], entry[2][2], item.attempts, item.digest, words }
end

function verbs.delivered(id, delivery)
  redis.call('HDEL', ENDPOINT, 'failing', 'failure')
  redis.call('HSET', ENDPOINT, 'well', now())
  local item = under_way(id, delivery)
  if item then finish(id, item, now()) end
  return {}
end

function verbs.failed(id, delivery, delay_ms, failure)
  local at = now()
  note_failure(failure, at)
  if under_way(id, delivery) then redis.call('ZADD', OUTBOX, at + delay_ms, id) end
  return {}
end

function verbs.give_up(id, delivery, failure, patience_ms) -- without patience: the endpoint is well
  local at, item = now(), under_way(id, delivery)
  if patience_ms ~= '' then note_failure(failure, at) end
  if item then
    redis.call('ZADD', DEAD, at, delivery)
    redis.call('HSET', ENDPOINT, delivery, failure)
    item.dead = (item.dead or 0) + 1 -- so that retention waits for it
    finish(id, item, at)
  end
  if patience_ms ~= '' and at - redis.call('HGET', ENDPOINT, 'failing') >= tonumber(patience_ms) then
    redis.call('HSETNX', ENDPOINT, 'disabled', at)
  end
  return {}
end

function verbs.disable(failure) -- the endpoint said that it is gone for good
  local at = now()
  note_failure(failure, at)
  redis.call('HSETNX', ENDPOINT, 'disabled', at)
  return {}
end

function verbs.enable() -- forget the failures; all that waits is due now
  local at = now()
  redis.call('HDEL', ENDPOINT, 'failing', 'failure', 'disabled')
  for _, id in ipairs(redis.call('ZRANGE', OUTBOX, 0, -1)) do redis.call('ZADD', OUTBOX, at, id) end
  return {}
end

function verbs.endpoint()
  return redis.call('HMGET', ENDPOINT, 'failing', 'failure', 'disabled')
end

function verbs.dead(limit)
  local answer = {}
  local letters = redis.call('ZRANGE', DEAD, 0, limit - 1, 'WITHSCORES')
  for at = 1, #letters, 2 do
    local entry, why = entry_of(letters[at]), redis.call('HGET', ENDPOINT, letters[at])
    local body = facts_in(entry) and entry[2][2] or ''
    answer[#answer + 1] = { letters[at], body, letters[at + 1], why or '' }
  end
  return answer
end

function verbs.replay(limit) -- the oldest dead letters, to be told again in their order
  local at, n_replayed = now(), 0
  for _, delivery in ipairs(redis.call('ZRANGE', DEAD, 0, limit - 1)) do
    local facts = facts_in(entry_of(delivery))
    local item = facts and load(facts.item_id)
    if item then
      item.dead = (item.dead or 1) > 1 and item.dead - 1 or nil
      item.undelivered = item.undelivered or {}
      table.insert(item.undelivered, delivery)
      table.sort(item.undelivered, function(a, b) return place(a) < place(b) end)
      schedule(facts.item_id, item, at)
      n_replayed = n_replayed + 1
    end
    redis.call('ZREM', DEAD, delivery)
    redis.call('HDEL', ENDPOINT, delivery)
  end
  return { n_replayed }
end

function verbs.due()
  local failing, disabled, well =
    unpack(redis.call('HMGET', ENDPOINT, 'failing', 'disabled', 'well'))
  local n_due = disabled and 0 or redis.call('ZCOUNT', OUTBOX, '-inf', now())
  return { n_due, (well and not failing) and 1 or 0 }
end
