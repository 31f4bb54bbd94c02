-- Forgetting the entries about a comment in the lists of read models. Those of moderators keep them as
-- long as the stream does.
-- KEYS: listed
-- include: queue/listed

local UNLISTED_AT_ONCE = 1000

local function unlist_some(facet) -- of a list that is to go, what comes first
  local found = redis.call('ZRANGEBYLEX', LISTED, '[' .. facet, '(' .. facet .. ':', 'LIMIT', 0, UNLISTED_AT_ONCE)
  if #found > 0 then redis.call('ZREM', LISTED, unpack(found)) end
end

local function unlist_from(id, item) -- the lists of its author and article
  local own, first = comment_of(id, item)
  local listed = 'i' .. own
  for _, facet in ipairs((first or item).facets) do
    if facet:find('^[ua]') then
      for _, member in ipairs(redis.call('ZRANGEBYLEX', LISTED, '[' .. listed, '(' .. listed .. ':')) do
        redis.call('ZREM', LISTED, facet .. member:sub(#listed + 1))
      end
    end
  end
end

local function unlist(id, item) -- what nothing is kept of; an appeal goes with the comment, if that is there
  local own, first = comment_of(id, item)
  if own ~= id and first then return end
  unlist_from(id, item)
  redis.call('ZREMRANGEBYLEX', LISTED, '[i' .. own, '(i' .. own .. ':')
end
