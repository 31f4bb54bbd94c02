-- News of an author for the site. They lie with an item of the author's own, without a comment, so that
-- they are told in their order, whichever comment they come from. Its id says nothing of the author.
-- KEYS: items texts
-- include: queue/item queue/save queue/forget_later queue/stream queue/tell

local MAX_NEWS = 20 -- of an author, that pages show

local function own_item(counts, facets, at) -- its id, and the item
  local item = counts.item and load(counts.item)
  if item then return counts.item, item end
  local number = at
  while redis.call('HEXISTS', ITEMS, 'u' .. number) == 1 do number = number + 1 end
  counts.item = 'u' .. number
  return counts.item, setmetatable({
    format = FORMAT, state = 'withdrawn', comment_id = '', verdict = {}, facets = facets, since = at, due = at,
  }, USUALLY)
end

-- `about` is the item of the comment whose decision made it, nil where there is none. Without an id,
-- of an author who was erased, nobody can be told. `counts` are still to be written.
local function tell_of_author(kind, counts, facets, author_id, about, at, draft, more)
  local id, item = own_item(counts, facets, at)
  if author_id and author_id ~= '' then
    local content = { format = FORMAT, comment = { id = '', author_id = author_id } }
    redis.call('HSET', TEXTS, id .. ':1', cjson.encode(content))
  end
  local entry = tell_stream(kind, id, about or item, at, draft, more)
  item.news = item.news or {}
  table.insert(item.news, 1, entry)
  item.news[MAX_NEWS + 1] = nil
  tell(id, item, entry, at)
  forget_later(id, item, at)
  save(id, item)
  return item
end
