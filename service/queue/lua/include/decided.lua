-- Read model: the last decisions on each comment, of each author and under each article.
-- KEYS: decided
-- include: queue/item

local N_LISTED = 51 -- decisions in a list, the newest first: those that a page shows, and one
local MAX_LENGTH = 1024 -- of a list; it may have some more, so that few decisions have to cut it

local function list_newest(id, item, entry)
  local about = item
  while about and about.appeal do -- against a decision on this item, which may be an appeal too
    id = about.appeal.item_id
    about = load(id)
  end
  local lists, changed = { 'i' .. id }, {}
  for _, facet in ipairs(item.facets) do
    if facet:find('^[ua]') then lists[#lists + 1] = facet end
  end
  for place, known in ipairs(redis.call('HMGET', DECIDED, unpack(lists))) do
    local list = entry .. ' ' .. (known or '')
    if #list > MAX_LENGTH then
      local last = 0
      for _ = 1, N_LISTED do last = list:find(' ', last + 1, true) or #list end
      list = list:sub(1, last)
    end
    changed[2 * place - 1], changed[2 * place] = lists[place], list
  end
  redis.call('HSET', DECIDED, unpack(changed))
end
