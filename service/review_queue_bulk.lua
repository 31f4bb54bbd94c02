-- The verbs of the review queue that concern many items at once; they follow review_queue.lua.

local function bulk_answer(request, entries)
  local answer = { 'ok' }
  for _, entry in ipairs(entries) do answer[#answer + 1] = view(entry_of(entry)) end
  return answer
end

function verbs.bulk(request, action, facts, words, ...)
  local at, known, chosen, entries = now(), redis.call('HGET', BULKS, request), { ... }, {}
  if known then return bulk_answer(request, cjson.decode(known)) end
  local items = {}
  for place = 1, #chosen, 2 do
    local item = load(chosen[place])
    if not item or item.state ~= 'pending' or item.version ~= tonumber(chosen[place + 1]) then
      return { 'changed' }
    end
    items[chosen[place]] = item
  end
  for place = 1, #chosen, 2 do
    local id = chosen[place]
    local item = items[id]
    item.token = item.token + 1
    close(id, item, at, request, action, facts, words, { bulk = request })
    entries[#entries + 1] = item.decision
  end
  redis.call('HSET', BULKS, request, cjson.encode(entries))
  redis.call('ZADD', RETENTION, at, 'bulk:' .. request)
  return bulk_answer(request, entries)
end

function verbs.undo_bulk(bulk, request, window_ms, facts)
  local at, known = now(), redis.call('HGET', BULKS, request)
  if known then return bulk_answer(request, cjson.decode(known)) end
  local decided = redis.call('HGET', BULKS, bulk)
  if not decided then return { 'missing' } end
  local items, entries = {}, {}
  for place, entry in ipairs(cjson.decode(decided)) do
    local id = cjson.decode(entry_of(entry)[2][2]).item_id
    local item = load(id)
    if not item or item.decision ~= entry then return { 'changed' } end
    if at - item.decided > tonumber(window_ms) then return { 'late' } end
    items[place] = { id, item }
  end
  for place, pair in ipairs(items) do
    reopen(pair[1], pair[2], at, request, facts)
    entries[place] = pair[2].last
  end
  redis.call('HSET', BULKS, request, cjson.encode(entries))
  redis.call('ZADD', RETENTION, at, 'bulk:' .. request)
  return bulk_answer(request, entries)
end

-- Calibration items are taken out again; who had them is still barred, should they come back.
function verbs.clear_calibration(limit)
  local found = redis.call('ZRANGEBYLEX', LINES, '[c', '(d', 'LIMIT', 0, limit)
  for _, entry in ipairs(found) do
    local id = entry:sub(-ID_LENGTH)
    local item = load(id)
    take_out(id, item)
    forget_version(id, item.version, item.token)
    redis.call('HDEL', ITEMS, id)
  end
  return { #found }
end
