-- Taking a decision back.
-- KEYS: retention
-- include: queue/tell queue/ask_again queue/drop queue/line_up queue/consequences queue/read_models
-- include: queue/strikes

-- An appeal against the decision that still waits goes with it: there is nothing to object to.
local function reopen(id, item, decided, at, request, draft, withdrawal)
  local appeal = item.appealed and load(item.appealed)
  if appeal and waits(appeal) then drop(item.appealed, appeal, at, withdrawal) end
  local more = { undoes = item.decision, expected = item.known_answer }
  local body, facts
  item.last, body, facts = tell_stream('undo', id, item, at, draft, more)
  if decided then count_consequences(item, decided, -1) end
  item.undone = item.undone or {}
  table.insert(item.undone, item.decision)
  weigh(id, item, -1)
  if not item.known_answer then tell(id, item, item.last, at) end
  strike(id, item, at, draft, false)
  ask_again(id, item, item.decision)
  redis.call('ZREM', RETENTION, 'item:' .. id .. ':' .. item.version)
  item.decision, item.decided, item.action, item.appealed = nil, nil, nil, nil
  item.request = request
  line_up(id, item)
  return body, facts
end
