-- Taking a decision.
-- KEYS: retention
-- include: queue/stream queue/texts queue/line queue/bars queue/consequences queue/read_models

local function close(id, item, at, request, action, draft, words, more, told_already)
  more = more or {}
  if item.appeal then
    more.appeal_of, more.overturned = item.appeal.decision, item.appeal.action ~= action
  end
  more.expected = item.known_answer
  local kind = item.known_answer and 'known_answer' or 'decision'
  local body, entry
  item.decision, body, entry = tell_stream(kind, id, item, at, draft, more)
  item.last, item.request, item.action, item.decided = item.decision, request, action, at
  keep_words(id, item, words)
  keep_decision(id, item, item.decision, entry)
  take_out(id, item)
  forget_opinions(id, item)
  item.state, item.owner, item.expires = 'decided', nil, nil
  weigh(id, item, 1)
  if not item.known_answer and not told_already then tell(id, item, item.decision, at) end
  local author = not item.known_answer and facet_of(item, 'u')
  local old_one_day = { at, 'item:' .. id .. ':' .. item.version }
  if author then old_one_day[3], old_one_day[4] = at, 'author:' .. author end
  redis.call('ZADD', RETENTION, 'GT', unpack(old_one_day)) -- a restored decision is not the last
  save(id, item)
  return body
end
