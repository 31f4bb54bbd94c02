-- Show what is known around a comment: the comment that it answers, what else waits in its conversation,
-- and what was decided last about others under its article. `article` is a facet, or empty; `parent` the
-- id of an item, or empty; of the line of the article at most `n_read` are looked at.
-- KEYS: items texts lines decisions listed
-- ARGV: id article parent comment_id parent_id n_read n_waiting n_decided
-- returns: { parent or false, its state, its last word or '', { waiting... }, 1 where there may be more,
-- else 0, { entry (see queue/view) ... } }; a comment is { 'ok', item id, record, content or false }
-- include: queue/id_length queue/shown_all queue/entry queue/view queue/entry_at queue/standing

local function is_plain(name) return not name:find('[^%w_.:-]') end -- and so reads the same in JSON

-- Whether a text may be of an answer to this comment, or to what it answers. To decode a text is dear.
local function may_answer(text)
  if not text or not text:find('"parent_id":"[^"]') then return false end
  local plain = is_plain(comment_id) and is_plain(parent_id)
  local named = text:find(comment_id, 1, true) or (parent_id ~= '' and text:find(parent_id, 1, true))
  return not plain or named
end

local function answers(text)
  local content = may_answer(text) and decoded(text)
  local theirs = content and type(content.comment) == 'table' and content.comment.parent_id
  return theirs and theirs ~= '' and (theirs == comment_id or theirs == parent_id)
end

local function all_of(key, fields) return #fields > 0 and redis.call('HMGET', key, unpack(fields)) or {} end

-- What waits of the same conversation; what somebody holds does not.
local function near_ones()
  if article == '' then return {}, 0 end
  local line = redis.call('ZRANGEBYLEX', LINES, '[' .. article, '(' .. article .. ':', 'LIMIT', 0, n_read)
  local ids, fields, found = {}, {}, {}
  for place, entry in ipairs(line) do ids[place] = entry:sub(-ID_LENGTH) end
  for place, record in ipairs(all_of(ITEMS, ids)) do
    fields[place] = ids[place] .. ':' .. ((record or ''):match('"version":(%d+)') or 1)
  end
  for place, text in ipairs(all_of(TEXTS, fields)) do
    local other = ids[place]
    local item = other ~= id and other ~= parent and answers(text) and load(other)
    if item and item.state == 'pending' then found[#found + 1] = other end
  end
  local goes_on = #line == tonumber(n_read) or #found > tonumber(n_waiting)
  for last = #found, n_waiting + 1, -1 do found[last] = nil end
  return found, goes_on and 1 or 0
end

-- The last decision on each comment that stands; an undo says that one does not any more.
local function decided_lately()
  local answer, seen = {}, { [comment_id] = true }
  if article == '' then return answer end
  local last = '(' .. article .. ':'
  local members = redis.call('ZREVRANGEBYLEX', LISTED, last, '[' .. article, 'LIMIT', 0, 4 * n_decided)
  for _, member in ipairs(members) do
    local entry = entry_of(entry_at(member:sub(#article + 1)))
    local facts = facts_in(entry)
    if facts and not seen[facts.comment_id] then
      seen[facts.comment_id] = true
      local item = facts.kind == 'decision' and load(facts.item_id)
      if item and item.state == 'decided' then answer[#answer + 1] = view(entry) end
    end
    if #answer == tonumber(n_decided) then break end
  end
  return answer
end

-- What is known of the parent, its state and the last word on it; what readers reported is published.
local function above()
  local item = parent ~= '' and load(parent)
  if not item then return false, '', '' end
  local _, _, state, _, action = unpack(standing(item))
  if state == 'published' then action = action or 'approve' end
  return shown_all({ parent })[1], state, action or ''
end

local ids, goes_on = near_ones()
local found, state, action = above()
return { found, state, action, shown_all(ids), goes_on, decided_lately() }
