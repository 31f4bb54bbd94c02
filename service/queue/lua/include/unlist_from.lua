-- Forgetting a comment in the lists of its author and article. Those of moderators keep it as long as
-- the stream does.
-- KEYS: listed
-- include: queue/comment_of

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
