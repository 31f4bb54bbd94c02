-- Keeping the notes about an author or an article that are left.
-- KEYS: texts retention
-- include: queue/record

local function keep_notes(facet, notes) -- until the oldest is too old
  if #notes == 0 then
    redis.call('HDEL', TEXTS, facet)
    redis.call('ZREM', RETENTION, 'notes:' .. facet)
    return
  end
  redis.call('HSET', TEXTS, facet, cjson.encode({ format = FORMAT, notes = notes }))
  redis.call('ZADD', RETENTION, notes[1].at, 'notes:' .. facet)
end
