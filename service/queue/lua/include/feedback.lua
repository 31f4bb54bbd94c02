-- Removing entries of the feedback.
-- KEYS: feedback feedback_index
-- include: queue/record

local function drop(entry)
  local fields = by_name(entry)
  redis.call('XDEL', FEEDBACK, fields.id)
  if not (fields.key and fields.comment) then return end -- not written by us
  redis.call('HINCRBY', FEEDBACK_INDEX, '', -#fields.comment)
  if redis.call('HGET', FEEDBACK_INDEX, fields.key) == fields.id then
    redis.call('HDEL', FEEDBACK_INDEX, fields.key)
  end
end

local function drop_known(key) -- what was known of a comment before
  local known = redis.call('HGET', FEEDBACK_INDEX, key)
  for _, entry in ipairs(known and redis.call('XRANGE', FEEDBACK, known, known) or {}) do
    drop(entry)
  end
end
