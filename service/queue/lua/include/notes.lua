-- Notes of moderators about an author or an article: a list, the oldest first, beside what people wrote.
-- KEYS: texts
-- include: queue/record

local function notes_about(facet)
  local record = decoded(redis.call('HGET', TEXTS, facet))
  return record and type(record.notes) == 'table' and record.notes or {}
end
