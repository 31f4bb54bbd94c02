-- How far a decision on a whole group came.
-- KEYS: bulks retention
-- include: queue/record

local function group_of(field) return decoded(redis.call('HGET', BULKS, field)) end

local function keep_in_bulks(field, value, at)
  redis.call('HSET', BULKS, field, cjson.encode(value))
  redis.call('ZADD', RETENTION, at, 'bulk:' .. field)
end
