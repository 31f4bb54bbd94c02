-- Take the delivery that is due first, for a while.
-- KEYS: items texts decisions outbox endpoint
-- ARGV: hold_ms
-- returns: { item id, stream id, body, attempts, digest, words, id of the author, where it is news of
-- one } or {} where nothing is due
-- include: queue/clock queue/item queue/save queue/content queue/entry queue/facts delivery/finish
-- include: queue/text

local OF_AUTHORS = { warning = true, hold = true, release = true, mute = true, block = true, restore = true }

-- The id of the author of whom an entry tells, which the stream does not hold; false for other news.
local function author_in(id, item, facts)
  if not OF_AUTHORS[facts.kind] then return false end
  local content = decoded(text_of(id, item))
  local comment = content and content.comment
  return type(comment) == 'table' and type(comment.author_id) == 'string' and comment.author_id or ''
end

local at = now()
if redis.call('HEXISTS', ENDPOINT, 'disabled') == 1 then return {} end
local id, item, entry, facts, author
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
  author = facts and author_in(id, item, facts)
  local useless = not delivery or (facts and not author and superseded(item, facts)) or author == ''
  if not delivery then redis.call('ZREM', OUTBOX, id) elseif useless then finish(id, item, at) end
until not useless
item.attempts = (item.attempts or 0) + 1
save(id, item)
if not facts then return { id, item.undelivered[1], '', item.attempts, '', '', '' } end
local words = redis.call('HGET', TEXTS, id .. ':' .. facts.version .. ':' .. facts.token)
return { id, entry.id, entry.body, item.attempts, item.digest or '', words, author or '' }
