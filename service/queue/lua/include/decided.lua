-- Read model: the last decisions on each comment, of each author and under each article.
-- KEYS: decided
-- include: queue/item

local LISTED = 51 -- decisions in a list, the newest first: those that a page shows, and one
local SHORTEST = 16 -- characters of an entry's id and the blank behind it

local function first_of(list, n) -- entries of a list, all of it where there are not more
  if #list <= n * SHORTEST then return list end
  local last = 0
  for _ = 1, n do last = list:find(' ', last + 1, true) or #list end
  return list:sub(1, last)
end

local function own_lists(item) -- of its author and article
  local lists = {}
  for _, facet in ipairs(item.facets) do
    if facet:find('^[ua]') then lists[#lists + 1] = facet end
  end
  return lists
end

local function lists_of(id, item) -- by comment, author and article
  local about = item
  while about and about.appeal do -- against a decision on this item, which may be an appeal too
    id = about.appeal.item_id
    about = load(id)
  end
  return { 'i' .. id, unpack(own_lists(item)) }
end

local function list_newest(id, item, entry)
  local lists, changed = lists_of(id, item), {}
  for place, known in ipairs(redis.call('HMGET', DECIDED, unpack(lists))) do
    changed[2 * place - 1] = lists[place]
    changed[2 * place] = entry .. ' ' .. first_of(known or '', LISTED - 1)
  end
  redis.call('HSET', DECIDED, unpack(changed))
end

-- All decisions on a comment leave the lists of its author and article.
local function unlist(id, item)
  local own = redis.call('HGET', DECIDED, 'i' .. id)
  if not own then return end
  redis.call('HDEL', DECIDED, 'i' .. id)
  for _, facet in ipairs(own_lists(item)) do
    local left = {}
    for listed in (redis.call('HGET', DECIDED, facet) or ''):gmatch('%S+') do
      local entry = listed .. ' '
      if not (' ' .. own):find(' ' .. entry, 1, true) then left[#left + 1] = entry end
    end
    if #left > 0 then
      redis.call('HSET', DECIDED, facet, table.concat(left))
    else
      redis.call('HDEL', DECIDED, facet)
    end
  end
end
