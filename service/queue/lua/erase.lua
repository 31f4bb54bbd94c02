-- Forget all an author wrote, a page of the items at a time. What waits is taken out of the queue;
-- of each item a tombstone goes into the stream.
-- KEYS: items texts lines leases barred decisions outbox authors retention listed site
-- KEYS: reports report_words report_times reporters arrivals
-- ARGV: cursor author author_id draft
-- returns: { next cursor, comment id, ... }
-- include: queue/clock queue/id_length queue/item queue/save queue/facet queue/text queue/forget_version
-- include: queue/leave queue/stream queue/answer_reports queue/report_words queue/unlist_some
-- include: queue/unlist_from queue/keep_notes queue/forget_arrival queue/forget_damaged

local function forget_bars(ids) -- who may not meet these items again
  for _, member in ipairs(redis.call('ZRANGE', BARRED, 0, -1)) do
    if ids[member:sub(1, ID_LENGTH)] then redis.call('ZREM', BARRED, member) end
  end
end

-- Whether an item is an author's: by its facet and, while there is a text, by the id itself, because
-- facets are short digests.
local function is_of(id, item, author, author_id)
  if facet_of(item, 'u') ~= author then return false end
  local content = decoded(text_of(id, item))
  local comment = content and content.comment
  return type(comment) ~= 'table' or comment.author_id == author_id
end

local function erase_item(id, item, at, draft)
  tell_stream('erasure', id, item, at, draft)
  if waits(item) then leave_queue(id, item, at) end
  answer_reports(id, item, at, 'withdrawn', nil, draft)
  for report in reports_of(id) do forget_words(report) end -- which may quote the author
  for version = 1, item.version do forget_version(id, version, item.token) end
  unlist_from(id, item)
  forget_arrival(id, item)
  item.news, item.told = nil, nil -- of the author's own item
  item.facets = { facet_of(item, 'l') } -- tells nothing of the author
  item.digest = nil
  save(id, item)
end

local at = now()
local page = redis.call('HSCAN', ITEMS, cursor, 'COUNT', 200)
local answer, erased = { page[1] }, {}
for place = 1, #page[2], 2 do
  local id = page[2][place]
  local item, record = load(id)
  if item and is_of(id, item, author, author_id) then
    erase_item(id, item, at, draft)
    erased[id] = true
    if item.comment_id ~= '' then answer[#answer + 1] = item.comment_id end
  elseif not item and record:find('"' .. author .. '"', 1, true) then
    -- nobody can read it, but its words go all the same
    local version, token = record:match('"version":(%d%d?%d?)'), record:match('"token":(%d%d?%d?)')
    for one = 1, tonumber(version or 1) do forget_version(id, one, tonumber(token or 0)) end
    redis.call('HDEL', ITEMS, id)
    unlist_some('i' .. id)
    forget_damaged(id, record)
  end
end
if next(erased) then forget_bars(erased) end
redis.call('HDEL', AUTHORS, author)
unlist_some(author)
keep_notes(author, {})
return answer
