-- Forget the erased comments where others answered them, a page of the texts at a time.
-- KEYS: texts
-- ARGV: cursor comment_ids...
-- returns: { next cursor, how many }

local erased, n_forgotten = {}, 0
for _, comment_id in ipairs(comment_ids) do erased[comment_id] = true end
local page = redis.call('HSCAN', TEXTS, cursor, 'COUNT', 200)
for place = 1, #page[2], 2 do
  if page[2][place]:find('^[^:]+:%d+$') then -- a text, not a note
    local content = cjson.decode(page[2][place + 1])
    local comment = content.comment
    if erased[comment.parent_id] and comment.parent_text then
      comment.parent_text = nil
      redis.call('HSET', TEXTS, page[2][place], cjson.encode(content))
      n_forgotten = n_forgotten + 1
    end
  end
end
return { page[1], n_forgotten }
