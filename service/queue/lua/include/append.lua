-- Appending to the decision stream: a JSON body, and the SHA-1 of the digest before it and this body.
-- KEYS: decisions
-- include: queue/fields

local function append(id, entry) -- with this id, or * for one of the clock; returns id and body
  local body = cjson.encode(entry)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  local digest = redis.sha1hex((last and by_name(last).digest or '') .. body)
  return redis.call('XADD', DECISIONS, id, 'body', body, 'digest', digest), body
end
