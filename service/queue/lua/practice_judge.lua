-- Keep what a trainee would decide about a comment, once for each comment; nothing else is changed.
-- KEYS: items judged judgements
-- ARGV: trainee id version judgement most
-- returns: { 'ok' }
-- returns: { 'missing' | 'unreadable' | 'changed' }
-- include: queue/clock queue/item

local field, item, record = trainee .. id, load(id)
if redis.call('HEXISTS', JUDGEMENTS, field) == 1 then return { 'ok' } end
if not item then return { record and 'unreadable' or 'missing' } end
if item.version ~= tonumber(version) then return { 'changed' } end
local facts, at = cjson.decode(judgement), now()
facts.at = at
redis.call('HSET', JUDGEMENTS, field, cjson.encode(facts))
redis.call('ZADD', JUDGED, 0, string.format('%s%013.0f%s', trainee, at, id))
local from, till = '[' .. trainee, '(' .. trainee .. ':'
if redis.call('ZLEXCOUNT', JUDGED, from, till) > tonumber(most) then
  local oldest = redis.call('ZRANGEBYLEX', JUDGED, from, till, 'LIMIT', 0, 1)[1]
  redis.call('ZREM', JUDGED, oldest)
  redis.call('HDEL', JUDGEMENTS, trainee .. oldest:sub(-#id))
end
return { 'ok' }
