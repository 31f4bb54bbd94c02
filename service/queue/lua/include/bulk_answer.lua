-- The answer to a bulk decision.
-- include: queue/entry queue/view

local function bulk_answer(entries)
  local answer = { 'ok' }
  for _, entry in ipairs(entries) do answer[#answer + 1] = view(entry_of(entry)) end
  return answer
end
