-- Tell the history of an item: the texts of its last versions, the entries of the decision stream about
-- it, the newest first, readers' reports, deliveries given up, and whether it is listed for a second look.
-- KEYS: items texts decisions listed dead endpoint doubts reports report_words
-- ARGV: id before limit n_versions n_shown
-- returns: { 'ok', record, { content or false, ... } of the last versions, the newest first, cursor of older
-- entries or '', { entry (see queue/view), ... }, { { report, record, explanation or false }, ... }, how many
-- reports there are, { { entry, given up at (ms), failure }, ... }, doubt (see queue/doubts) or false }
-- returns: { 'appeal', id of the item of the comment that it is about }
-- returns: { 'missing' | 'unreadable' }
-- include: queue/clock queue/item queue/entry queue/view queue/entry_at queue/place_of_entry
-- include: queue/comment_of queue/reports

local function texts_of(item)
  local texts = {}
  for version = item.version, math.max(1, item.version - n_versions + 1), -1 do
    texts[#texts + 1] = redis.call('HGET', TEXTS, id .. ':' .. version)
  end
  return texts
end

local function entries_about() -- and the cursor of older ones, else ''
  local own = 'i' .. id
  local newest = '(' .. own .. (before == '' and ':' or place_of_entry(before))
  local found = redis.call('ZREVRANGEBYLEX', LISTED, newest, '[' .. own, 'LIMIT', 0, limit + 1)
  local entries, cursor = {}, ''
  for place = 1, math.min(#found, limit) do
    local entry = entry_of(entry_at(found[place]:sub(#own + 1)))
    if entry then entries[#entries + 1] = entry end
  end
  if #found > tonumber(limit) then cursor = entry_at(found[tonumber(limit)]:sub(#own + 1)) end
  return entries, cursor
end

local function given_up(entries)
  local letters = {}
  for _, entry in ipairs(entries) do
    local died = redis.call('ZSCORE', DEAD, entry.id)
    if died then
      letters[#letters + 1] = { entry.id, died, redis.call('HGET', ENDPOINT, entry.id) or '' }
    end
  end
  return letters
end

local item, record = load(id)
if not item then return { record and 'unreadable' or 'missing' } end
if item.appeal then return { 'appeal', (comment_of(id, item)) } end
if item.state == 'leased' and item.expires <= now() then -- as the next lease will find it
  item.state, item.owner, item.expires = 'pending', nil, nil
  record = cjson.encode(item)
end
local entries, cursor = entries_about()
local views, reports = {}, {}
for place, entry in ipairs(entries) do views[place] = view(entry) end
for report in reports_of(id) do reports[#reports + 1] = report end
local shown = {}
for place = #reports, math.max(1, #reports - n_shown + 1), -1 do
  local report = reports[place]
  shown[#shown + 1] = { report, redis.call('HGET', REPORTS, report), redis.call('HGET', REPORT_WORDS, report) }
end
local doubt = item.decision and redis.call('HGET', DOUBTS, item.decision) or false
return { 'ok', record, texts_of(item), cursor, views, shown, #reports, given_up(entries), doubt }
