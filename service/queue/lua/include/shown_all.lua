-- Many items, as they are handed out.
-- KEYS: items
-- include: queue/shown

local function shown_all(ids)
  local answer = {}
  for _, id in ipairs(ids) do
    local item, record = load(id), redis.call('HGET', ITEMS, id)
    if record then answer[#answer + 1] = item and shown(id, item, record) or { 'ok', id, record, false } end
  end
  return answer
end
