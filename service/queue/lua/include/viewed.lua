-- Entries of the decision stream, as they are handed out.
-- include: queue/stream_entry queue/view

local function viewed(entries)
  local answer = {}
  for place, entry in ipairs(entries) do answer[place] = view(by_name(entry)) end
  return answer
end
