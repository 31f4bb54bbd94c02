-- Removing an entry of the feedback.
-- KEYS: feedback feedback_index

local function drop(entry)
  local fields = {}
  for place = 1, #entry[2], 2 do fields[entry[2][place]] = entry[2][place + 1] end
  redis.call('XDEL', FEEDBACK, entry[1])
  if not fields.key then return end -- from before there was an index
  redis.call('HINCRBY', FEEDBACK_INDEX, '', -#fields.comment)
  if redis.call('HGET', FEEDBACK_INDEX, fields.key) == entry[1] then
    redis.call('HDEL', FEEDBACK_INDEX, fields.key)
  end
end
