-- Forgetting by which words a comment was found whose record nobody can work with.
-- include: queue/forget_arrival

local function forget_damaged(id, record)
  local since = tonumber(record:match('"since":(%d+)'))
  if since then forget_arrival(id, { since = since }) end
end
