-- Writing to the decision stream.
-- include: queue/record queue/append queue/listed queue/list

-- An entry about an item; returns its id, its body and what it says.
local function tell_stream(kind, id, item, at, draft, more)
  local entry = cjson.decode(draft)
  for name, value in pairs(more or {}) do entry[name] = value end
  entry.format, entry.kind, entry.item_id, entry.version = FORMAT, kind, id, item.version
  entry.token, entry.comment_id, entry.verdict = item.token, item.comment_id, item.verdict
  entry.enqueued_at, entry.decided_at, entry.language = item.since, at, item.language
  local stored, body = append('*', entry)
  list(members_of(id, item, stored, entry))
  return stored, body, entry
end
