-- Writing to the decision stream.
-- KEYS: decisions figures

-- An entry is a JSON body and the SHA-1 of the digest before it and this body. `facts` comes as
-- JSON from Python and is not parsed here, because Lua cannot tell [] from {}.
local function append(context, facts)
  local last = redis.call('XREVRANGE', DECISIONS, '+', '-', 'COUNT', 1)[1]
  if not last then redis.call('HSETNX', FIGURES, 'unread', '') end -- nothing is older than the figures
  local body = context .. ',' .. facts:sub(2)
  local digest = redis.sha1hex((last and last[2][4] or '') .. body)
  return redis.call('XADD', DECISIONS, '*', 'body', body, 'digest', digest), body
end

-- An entry about an item; returns its id and its body.
local function tell_stream(kind, id, item, at, facts, more)
  local context = '{"kind":"' .. kind .. '","item_id":"' .. id .. '","version":' .. item.version
    .. ',"token":' .. item.token .. ',"comment_id":' .. item.comment_id .. ',"verdict":'
    .. item.verdict .. ',"enqueued_at":' .. item.since .. ',"decided_at":' .. at
  if more and next(more) then context = context .. ',' .. cjson.encode(more):sub(2, -2) end
  return append(context, facts)
end
