-- Forgetting the decisions on a comment in the lists of read models.
-- KEYS: decided

local function unlist(id, item) -- they leave the lists of its author and article
  local own = redis.call('HGET', DECIDED, 'i' .. id)
  if not own then return end
  redis.call('HDEL', DECIDED, 'i' .. id)
  for _, facet in ipairs(item.facets) do
    local listed, left = facet:find('^[ua]') and redis.call('HGET', DECIDED, facet), {}
    for one in (listed or ''):gmatch('%S+') do
      local entry = one .. ' '
      if not (' ' .. own):find(' ' .. entry, 1, true) then left[#left + 1] = entry end
    end
    if #left > 0 then
      redis.call('HSET', DECIDED, facet, table.concat(left))
    elseif listed then
      redis.call('HDEL', DECIDED, facet)
    end
  end
end
