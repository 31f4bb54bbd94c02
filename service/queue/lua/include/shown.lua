-- Items, as they are handed out.
-- KEYS: items
-- include: queue/item queue/texts

local function shown(id, item, record)
  return { 'ok', id, record or written(item), text_of(id, item) }
end

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
