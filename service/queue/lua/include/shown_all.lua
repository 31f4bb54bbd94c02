-- Many items, as they are handed out.
-- KEYS: items
-- include: queue/shown

local function shown_all(ids)
  local answer = {}
  for _, id in ipairs(ids) do
    local record = redis.call('HGET', ITEMS, id)
    local item = record and parsed(record)
    if item then
      answer[#answer + 1] = shown(id, item, record)
    elseif record then -- people are told that it cannot be read
      answer[#answer + 1] = { 'ok', id, record, false }
    end
  end
  return answer
end
