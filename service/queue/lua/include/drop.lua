-- Taking an item out of the queue without a decision.
-- KEYS: retention
-- include: queue/stream queue/texts queue/line queue/opinions

-- Takes a waiting item out of the queue without a decision; its text goes at once.
local function drop(id, item, at, draft)
  tell_stream('withdrawal', id, item, at, draft)
  take_out(id, item)
  forget_opinions(id, item)
  forget_version(id, item.version, item.token)
  item.state, item.void, item.owner, item.expires = 'withdrawn', 'withdrawn', nil, nil
  redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. item.version)
  save(id, item)
end
