-- Removing what was known of a comment before.
-- KEYS: feedback feedback_index
-- include: queue/feedback

local function drop_known(key)
  local known = redis.call('HGET', FEEDBACK_INDEX, key)
  for _, entry in ipairs(known and redis.call('XRANGE', FEEDBACK, known, known) or {}) do
    drop(entry)
  end
end
