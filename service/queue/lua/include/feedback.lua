-- Removing entries of the feedback.
-- KEYS: feedback feedback_index
-- include: queue/fields

local function drop(entry)
  local fields = by_name(entry)
  redis.call('XDEL', FEEDBACK, fields.id)
  if not (fields.key and fields.comment) then return end -- not written by us
  redis.call('HINCRBY', FEEDBACK_INDEX, '', -#fields.comment)
  if redis.call('HGET', FEEDBACK_INDEX, fields.key) == fields.id then
    redis.call('HDEL', FEEDBACK_INDEX, fields.key)
  end
end
