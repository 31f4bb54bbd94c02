-- Forget what trainees would have decided before a time, some of each at a time.
-- KEYS: judged judgements
-- ARGV: before limit
-- returns: { how many were forgotten }
-- include: queue/id_length

local PLACE_LENGTH = 13 + ID_LENGTH -- of the time and the item, with which a member ends

local n_forgotten, first = 0, redis.call('ZRANGE', JUDGED, 0, 0)[1]
while first do
  local trainee = first:sub(1, -1 - PLACE_LENGTH)
  local till = string.format('(%s%013.0f', trainee, before)
  for _, member in ipairs(redis.call('ZRANGEBYLEX', JUDGED, '[' .. trainee, till, 'LIMIT', 0, limit)) do
    redis.call('HDEL', JUDGEMENTS, trainee .. member:sub(-ID_LENGTH))
    n_forgotten = n_forgotten + redis.call('ZREM', JUDGED, member)
  end
  first = redis.call('ZRANGEBYLEX', JUDGED, '(' .. trainee .. ':', '+', 'LIMIT', 0, 1)[1]
end
return { n_forgotten }
