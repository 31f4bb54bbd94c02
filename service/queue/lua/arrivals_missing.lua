-- Show a page of the items that search does not find yet, because an older version has stored them.
-- KEYS: items texts arrivals
-- ARGV: cursor limit
-- returns: { next cursor, how many were looked at, item id, record, content or false, ... }
-- include: queue/item queue/text queue/arrival_of

local page = redis.call('HSCAN', ITEMS, cursor, 'COUNT', limit)
local answer = { page[1], #page[2] / 2 }
for place = 1, #page[2], 2 do
  local id = page[2][place]
  local item, record = load(id)
  local is_comment = item and not item.known_answer and item.comment_id ~= '' -- else it is an author's
  if is_comment and not arrival_of(id, item) then
    for _, one in ipairs({ id, record, text_of(id, item) }) do answer[#answer + 1] = one end
  end
end
return answer
