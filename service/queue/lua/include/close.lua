-- Taking a decision.
-- KEYS: texts retention
-- include: queue/stream queue/line queue/opinions queue/consequences queue/read_models
-- include: queue/tell queue/answer_reports queue/strikes queue/differing

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

-- A published comment that readers have reported has a decision, which stood until now.
local function replace_standing(id, item, before, action)
  count_author(item, before.action, before.decided, -1)
  if before.action ~= action then count_decision(facts_in(entry_of(before.decision)), -1) end
  local first = before.item == id and item or load(before.item)
  if not first then return end
  first.undone = first.undone or {}
  table.insert(first.undone, before.decision)
  if first ~= item then save(before.item, first) end
end

local function close(id, item, at, request, action, draft, words, more, told_already)
  more = more or {}
  if item.appeal then
    more.appeal_of, more.overturned = item.appeal.decision, item.appeal.action ~= action
  end
  more.expected = item.known_answer
  local reported = item.reported or {}
  more.reported = reported.brought and (reported.illegal and 'illegal' or 'rules') or nil
  local kind = item.known_answer and 'known_answer' or 'decision'
  local body, entry
  item.decision, body, entry = tell_stream(kind, id, item, at, draft, more)
  item.last, item.request, item.action, item.decided = item.decision, request, action, at
  keep_words(id, item, words)
  compare_opinion(item, at, entry.moderator, action)
  list_differences(item.known_answer, item.opinions, item.decision, entry.moderator, action)
  count_consequences(item, entry, 1)
  if reported.standing then replace_standing(id, item, reported.standing, action) end
  take_out(id, item)
  forget_opinions(id, item)
  item.state, item.owner, item.expires = 'decided', nil, nil
  weigh(id, item, 1)
  if not item.known_answer and not told_already then tell(id, item, item.decision, at) end
  answer_reports(id, item, at, action == 'reject' and 'removed' or 'kept', item.decision, draft)
  local upheld = item.appeal and item.appeal.action == action
  if not more.restored then strike(id, item, at, draft, action == 'reject' and not upheld) end
  local author = not item.known_answer and facet_of(item, 'u')
  local old_one_day = { at, 'item:' .. id .. ':' .. item.version }
  if author then old_one_day[3], old_one_day[4] = at, 'author:' .. author end
  redis.call('ZADD', RETENTION, 'GT', unpack(old_one_day)) -- a restored decision is not the last
  save(id, item)
  return body
end
