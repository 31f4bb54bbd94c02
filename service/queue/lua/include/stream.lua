-- Writing to the decision stream.
-- KEYS: decisions
-- include: queue/record queue/fields queue/listed queue/list

-- An entry about an item; returns its id, its body and what it says. It is a JSON body and the SHA-1
-- of the digest before it and this body.
local function tell_stream(kind, id, item, at, draft, more)
  local entry = cjson.decode(draft)
  for name, value in pairs(more or {}) do entry[name] = value end
  entry.format, entry.kind, entry.item_id, entry.version = FORMAT, kind, id, item.version
  entry.token, entry.comment_id, entry.verdict = item.token, item.comment_id, item.verdict
  entry.enqueued_at, entry.decided_at, entry.language = item.since, at, item.language
  local body = cjson.encode(entry)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  local digest = redis.sha1hex((last and by_name(last).digest or '') .. body)
  local stored = redis.call('XADD', DECISIONS, '*', 'body', body, 'digest', digest)
  list(members_of(id, item, stored, entry))
  return stored, body, entry
end
