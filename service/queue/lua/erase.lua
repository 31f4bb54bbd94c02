-- Forget all an author wrote, a page of the items at a time. What waits is taken out of the queue;
-- of each item a tombstone goes into the stream.
-- KEYS: items texts lines leases barred decisions authors retention decided figures
-- ARGV: cursor author author_id facts
-- returns: { next cursor, comment id, ... }
-- include: queue/id_length queue/content queue/texts queue/line queue/stream queue/decided

local AUTHOR_ID = 2 -- places in the row of a comment (service/queue/records.py)

local function forget_bars(ids) -- who may not meet these items again
  for _, member in ipairs(redis.call('ZRANGE', BARRED, 0, -1)) do
    if ids[member:sub(1, ID_LENGTH)] then redis.call('ZREM', BARRED, member) end
  end
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
  unlist(id, item)
  item.facets = item.facets:match('l%S+') -- tells nothing of the author
  item.digest = NO_DIGEST
  save(id, item)
end

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
      redis.call('HDEL', DECIDED, 'i' .. id)
    end
  end
end
if next(erased) then forget_bars(erased) end
redis.call('HDEL', AUTHORS, author)
redis.call('HDEL', DECIDED, author)
return answer
