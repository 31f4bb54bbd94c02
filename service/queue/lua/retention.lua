-- The verbs of forgetting.

local DAY_MS = 86400000
local AUTHOR_ID = 2 -- places in the row of a comment (service/queue/records.py)
local PARENT_ID = 7
local PARENT_TEXT = 8

local function forget_bars(ids) -- who may not meet these items again
  for _, member in ipairs(redis.call('ZRANGE', BARRED, 0, -1)) do
    if ids[member:sub(1, ID_LENGTH)] then redis.call('ZREM', BARRED, member) end
  end
end

local function still_needed(item) -- the site has not heard the last word yet
  return item.undelivered or item.dead
end

local verbs = {}

-- Forget what was decided before a time: texts always, records once nothing points at them. Refuses
-- to forget more than a share of all at once, unless it was told to or the last sweep was just now:
-- then what is due has become so since, and no clock has jumped.
function verbs.sweep(before, limit, forced, usual_ms, share)
  local at, swept = now(), redis.call('HGET', SITE, 'swept')
  local n_due = redis.call('ZCOUNT', RETENTION, '-inf', before)
  local n_kept = redis.call('ZCARD', RETENTION)
  local long_ago = not swept or at - swept > tonumber(usual_ms)
  if forced ~= '1' and long_ago and n_due > n_kept * share then return { -1, n_due, n_kept } end
  redis.call('HSET', SITE, 'swept', at)
  local due = redis.call('ZRANGEBYSCORE', RETENTION, '-inf', before, 'LIMIT', 0, limit)
  for _, member in ipairs(due) do
    local kind, name = member:match('^(%l+):(.*)$')
    local later = false
    if kind == 'bulk' then
      redis.call('HDEL', BULKS, name)
    elseif kind == 'author' then
      redis.call('HDEL', AUTHORS, name)
    elseif kind and name:find('^.+:%d+$') then
      local id, version = name:match('^(.+):(%d+)$')
      local item = load(id)
      forget_version(id, version, item and item.token or 0)
      local last = item and item.version == tonumber(version)
      later = last and still_needed(item)
      if later then
        redis.call('ZADD', RETENTION, before + DAY_MS, member)
      elseif last and (item.state == 'decided' or item.state == 'withdrawn') then
        redis.call('HDEL', ITEMS, id)
        if item.appeal then redis.call('ZREM', BARRED, id .. item.appeal.moderator) end
      end
    end
    if not later then redis.call('ZREM', RETENTION, member) end -- last, should anything fail before
  end
  return { #due }
end

-- Where nobody listens any more there is nothing to tell: forget the deliveries that wait and those
-- given up, some at a time. Returns how many are left.
function verbs.tell_nobody(limit)
  redis.call('HSETNX', SITE, 'listens', '0') -- a site of an older version
  if redis.call('HGET', SITE, 'listens') == '1' then return { 0 } end
  for _, id in ipairs(redis.call('ZRANGE', OUTBOX, 0, limit - 1)) do
    local item = load(id)
    if item then
      item.undelivered, item.attempts = nil, nil
      save(id, item)
    end
    redis.call('ZREM', OUTBOX, id)
  end
  for _, delivery in ipairs(redis.call('ZRANGE', DEAD, 0, limit - 1)) do
    local facts = facts_in(entry_of(delivery))
    local item = facts and load(facts.item_id)
    if item then
      item.dead = nil
      save(facts.item_id, item)
    end
    redis.call('ZREM', DEAD, delivery)
    redis.call('HDEL', ENDPOINT, delivery)
  end
  return { redis.call('ZCARD', OUTBOX) + redis.call('ZCARD', DEAD) }
end

-- Whether an item is an author's: by its facets, each as a whole, because what others chose may hold
-- the same letters; and, while there is a text, by the id itself, because facets are short digests.
local function is_of(id, record, author, author_id)
  local head = record:match('^[^\n]*') .. ' '
  if not head:find(' ' .. author .. ' ', 1, true) then return false end
  local item = load(id)
  local content = item and redis.call('HGET', TEXTS, id .. ':' .. item.version)
  return not content or cjson.decode(content)[1][AUTHOR_ID] == author_id
end

local function erase_item(id, item, at, facts)
  tell_stream('erasure', id, item, at, facts)
  if waits(item) then
    take_out(id, item)
    item.state, item.void, item.owner, item.expires = 'withdrawn', 'withdrawn', nil, nil
    redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. item.version)
  end
  for version = 1, item.version do forget_version(id, version, item.token) end
  item.facets = item.facets:match('l%S+') -- tells nothing of the author
  item.digest = NO_DIGEST
  save(id, item)
end

-- Forget all an author wrote, a page of the items at a time. What waits is taken out of the queue;
-- of each item a tombstone goes into the stream.
function verbs.erase(cursor, author, author_id, facts)
  local at = now()
  local page = redis.call('HSCAN', ITEMS, cursor, 'COUNT', 200)
  local answer, erased = { page[1] }, {}
  for place = 1, #page[2], 2 do
    local id = page[2][place]
    if is_of(id, page[2][place + 1], author, author_id) then
      local item = load(id)
      if item then
        erase_item(id, item, at, facts)
        erased[id] = true
        answer[#answer + 1] = cjson.decode('[' .. item.comment_id .. ']')[1]
      else -- nobody can read it, but its words go all the same
        local version, token = page[2][place + 1]:match('^%l+ (%d%d?%d?) (%d%d?%d?) ')
        for one = 1, tonumber(version or 1) do forget_version(id, one, tonumber(token or 0)) end
        redis.call('HDEL', ITEMS, id)
      end
    end
  end
  if next(erased) then forget_bars(erased) end
  redis.call('HDEL', AUTHORS, author)
  return answer
end

-- Forget the erased comments where others answered them, a page of the texts at a time.
function verbs.forget_parents(cursor, ...)
  local erased, n_forgotten = {}, 0
  for _, comment_id in ipairs({ ... }) do erased[comment_id] = true end
  local page = redis.call('HSCAN', TEXTS, cursor, 'COUNT', 200)
  for place = 1, #page[2], 2 do
    if page[2][place]:find('^[^:]+:%d+$') then -- a text, not a note
      local content = cjson.decode(page[2][place + 1])
      local comment = content[1]
      if erased[comment[PARENT_ID]] and (comment[PARENT_TEXT] or '') ~= '' then
        comment[PARENT_TEXT] = ''
        redis.call('HSET', TEXTS, page[2][place], cjson.encode(content))
        n_forgotten = n_forgotten + 1
      end
    end
  end
  return { page[1], n_forgotten }
end
