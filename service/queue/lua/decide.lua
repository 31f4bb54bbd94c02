-- Record what a moderator decided about the item that they hold.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters
-- ARGV: id token moderator action draft words
-- returns: { 'ok', entry (see queue/view) }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/item queue/token queue/bars queue/entry queue/view queue/text
-- include: queue/close queue/line_up

local function give_opinion(id, item, at, moderator, request, action, draft, words)
  local body, entry
  item.last, body, entry = tell_stream('opinion', id, item, at, draft)
  count_judgement(entry, 1)
  item.request = request
  keep_words(id, item, words)
  take_out(id, item)
  compare_opinion(item, at, moderator, action)
  item.escalated = item.opinions and true or nil -- the second opinion differs: a senior decides
  item.opinions = item.opinions or {}
  table.insert(item.opinions, { moderator = moderator, action = action })
  bar(id, moderator, at, '+inf')
  line_up(id, item)
  return body
end

local at, item, record = now(), load(id)
local request = 'decide:' .. action .. ':' .. cjson.decode(draft).request_id
if item and item.request == request then return { 'ok', view(entry_of(item.last)) } end
local lost = why_lost(item, record, token, at) or (item.owner ~= moderator and 'expired')
if lost then return { lost } end
local first = item.opinions and item.opinions[1]
local body
if item.blind and not item.escalated and not (first and first.action == action) then
  body = give_opinion(id, item, at, moderator, request, action, draft, words)
else
  body = close(id, item, at, request, action, draft, words)
end
return { 'ok', { item.last, body, text_of(id, item), words, 1, 0, item.digest or '' } }
