-- The verbs of the review queue that concern many items at once; they follow review_queue.lua.

local function bulk_answer(request, entries)
  local answer = { 'ok' }
  for _, entry in ipairs(entries) do answer[#answer + 1] = view(entry_of(entry)) end
  return answer
end

function verbs.bulk(request, moderator, senior, action, facts, words, ...)
  local field, at, chosen, entries = named('decide', request), now(), { ... }, {}
  local known = redis.call('HGET', BULKS, field)
  if known then return bulk_answer(request, cjson.decode(known)) end
  local items = {}
  for place = 1, #chosen, 2 do
    local item = load(chosen[place])
    if not item or item.state ~= 'pending' or item.version ~= tonumber(chosen[place + 1]) then
      return { 'changed' }
    end
    if item.escalated and senior ~= '1' then return { 'reserved' } end
    if barred_for_good(chosen[place], moderator) then return { 'barred' } end
    items[chosen[place]] = item
  end
  for place = 1, #chosen, 2 do
    local id = chosen[place]
    local item = items[id]
    item.token = item.token + 1
    close(id, item, at, field, action, facts, words, { bulk = request })
    entries[#entries + 1] = item.decision
  end
  redis.call('HSET', BULKS, field, cjson.encode(entries))
  redis.call('ZADD', RETENTION, at, 'bulk:' .. field)
  return bulk_answer(request, entries)
end

function verbs.undo_bulk(bulk, moderator, senior, request, window_ms, facts, withdrawal)
  local at, field = now(), named('undo', request)
  local known = redis.call('HGET', BULKS, field)
  if known then return bulk_answer(request, cjson.decode(known)) end
  local decided = redis.call('HGET', BULKS, named('decide', bulk))
  if not decided then return { 'missing' } end
  local items, entries = {}, {}
  for place, entry in ipairs(cjson.decode(decided)) do
    local facts = facts_in(entry_of(entry))
    local id = facts and facts.item_id
    local item = id and load(id)
    if not item or item.decision ~= entry then return { 'changed' } end
    local kept = why_kept(id, item, moderator, senior, window_ms, at)
    if kept then return { kept } end
    items[place] = { id, item }
  end
  for place, pair in ipairs(items) do
    reopen(pair[1], pair[2], at, field, facts, withdrawal)
    entries[place] = pair[2].last
  end
  redis.call('HSET', BULKS, field, cjson.encode(entries))
  redis.call('ZADD', RETENTION, at, 'bulk:' .. field)
  return bulk_answer(request, entries)
end

-- Calibration items are taken out again; who had them is still barred, should they come back.
function verbs.clear_calibration(limit)
  local found = redis.call('ZRANGEBYLEX', LINES, '[c', '(d', 'LIMIT', 0, limit)
  for _, entry in ipairs(found) do
    local id = entry:sub(-ID_LENGTH)
    local item = load(id)
    redis.call('ZREM', LINES, entry)
    if item then
      take_out(id, item)
      forget_version(id, item.version, item.token)
    end
    redis.call('HDEL', ITEMS, id)
  end
  return { #found }
end
