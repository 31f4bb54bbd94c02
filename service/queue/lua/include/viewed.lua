-- Entries of the decision stream, as they are handed out.
-- include: queue/view

local function viewed(entries)
  local answer = {}
  for place, entry in ipairs(entries) do answer[place] = view(entry) end
  return answer
end
