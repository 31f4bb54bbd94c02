-- Show what is known around a comment: the comment that it answers, what else waits in its conversation,
-- and what was decided last about others under its article. `article` is a facet, or empty; `parent` the
-- id of an item, or empty; of the line of the article at most `n_read` are looked at.
-- KEYS: items texts lines leases decisions listed
-- ARGV: id article parent comment_id parent_id n_read n_waiting n_decided
-- returns: { parent or false, its state, its last word or '', { waiting... }, 1 where there may be more,
-- else 0, { entry (see queue/view) ... } }; a comment is { 'ok', item id, record, content or false }
-- include: queue/walk queue/shown_all queue/entry queue/view queue/listed queue/standing

local function is_near(comment) -- of the same conversation
  if type(comment) ~= 'table' then return false end
  local theirs = comment.parent_id or ''
  if comment.id == comment_id or comment.id == parent_id then return true end
  return theirs ~= '' and (theirs == comment_id or theirs == parent_id)
end

local function near_ones()
  local ids, n_looked = {}, 0
  if article == '' then return ids, 0 end -- nothing to look through
  for other in walk(article) do
    n_looked = n_looked + 1
    local item = other ~= id and other ~= parent and load(other)
    local content = item and decoded(text_of(other, item))
    if content and is_near(content.comment) then ids[#ids + 1] = other end
    if n_looked == tonumber(n_read) or #ids > tonumber(n_waiting) then break end
  end
  local goes_on = n_looked == tonumber(n_read) or #ids > tonumber(n_waiting)
  ids[tonumber(n_waiting) + 1] = nil
  return ids, goes_on and 1 or 0
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
