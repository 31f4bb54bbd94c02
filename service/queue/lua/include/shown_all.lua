-- Items of a list, as they are handed out.
-- include: queue/item queue/text

local function shown_all(ids)
  local answer = {}
  for _, id in ipairs(ids) do
    local item, record = load(id)
    if item then
      answer[#answer + 1] = { 'ok', id, record, text_of(id, item) }
    elseif record then -- people are told that it cannot be read
      answer[#answer + 1] = { 'ok', id, record, false }
    end
  end
  return answer
end
