-- Read what stands about items: their version, and the last word on it once there is one.
-- KEYS: items
-- ARGV: ids...
-- returns: { version (0: no such item), action or '', ... }
-- include: queue/standing

local answer = {}
for place, id in ipairs(ids) do
  local item = load(id)
  local found = item and standing(item) or {}
  answer[2 * place - 1], answer[2 * place] = found[2] or 0, found[5] or ''
end
return answer
