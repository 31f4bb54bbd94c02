-- Forget the erased comments where others answered them, a page of the texts at a time.
-- KEYS: texts
-- ARGV: cursor comment_ids...
-- returns: { next cursor, how many }
-- include: queue/record queue/finite

local erased, n_forgotten = {}, 0
for _, comment_id in ipairs(comment_ids) do erased[comment_id] = true end

local function names_erased(text)
  for _, comment_id in ipairs(comment_ids) do
    if text:find('"' .. comment_id .. '"', 1, true) then return true end
  end
end

local page = redis.call('HSCAN', TEXTS, cursor, 'COUNT', 200)
for place = 1, #page[2], 2 do
  local field, text = page[2][place], page[2][place + 1]
  if field:find('^[^:]+:%d+$') then -- a text, not a note
    local content = decoded(text)
    local comment = content and content.comment
    if type(comment) ~= 'table' or not is_finite(content) then -- nobody can read it, but such words go all the same
      if names_erased(text) then redis.call('HDEL', TEXTS, field) end
    elseif erased[comment.parent_id] and comment.parent_text then
      comment.parent_text = nil
      redis.call('HSET', TEXTS, field, cjson.encode(content))
      n_forgotten = n_forgotten + 1
    end
  end
end
return { page[1], n_forgotten }
