-- Writing to the lists of read models.
-- KEYS: listed

local function list(members)
  local scored = {}
  for place, member in ipairs(members) do scored[2 * place - 1], scored[2 * place] = 0, member end
  if #members > 0 then redis.call('ZADD', LISTED, unpack(scored)) end
end
