-- Taking a decision.
-- KEYS: texts retention
-- include: queue/stream queue/line queue/opinions queue/consequences queue/decided queue/read_models

local function keep_words(id, item, words) -- what the moderator wrote, apart from the stream
  if words == '' then return end
  redis.call('HSET', TEXTS, id .. ':' .. item.version .. ':' .. item.token, words)
end

-- A second judgement, by somebody who did not know the first: once for each version of a comment.
local function compare_opinion(item, at, moderator, action)
  local first = item.opinions and #item.opinions == 1 and item.opinions[1]
  if not first or item.compared then return end
  item.compared = true
  count_pair(at, first, { moderator = moderator, action = action }, 1)
end

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
  if not item.known_answer then list_newest(id, item, item.decision) end
  compare_opinion(item, at, entry.moderator, action)
  count_consequences(item, entry, 1)
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
