-- Forgetting a comment in the lists of read models.
-- KEYS: listed
-- include: queue/comment_of queue/unlist_from

local function unlist(id, item) -- what nothing is kept of; an appeal goes with the comment, if that is there
  local own, first = comment_of(id, item)
  if own ~= id and first then return end
  unlist_from(id, item)
  redis.call('ZREMRANGEBYLEX', LISTED, '[i' .. own, '(i' .. own .. ':')
end
