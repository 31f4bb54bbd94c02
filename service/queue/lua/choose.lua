-- Choose a comment for people because the model hesitates about it: while the day's budget lasts, and
-- unless one like it was chosen lately. `sketch` are parts, of which half are alike in such a one.
-- KEYS: chosen sketches
-- ARGV: id budget kept_ms sketch...
-- returns: { 1, or 0 where it is not chosen }
-- include: queue/clock

local DAY_MS = 86400000

local function known(part) return redis.call('ZSCORE', SKETCHES, part) end

local at, n_alike = now(), 0
for _, kept in ipairs({ CHOSEN, SKETCHES }) do
  redis.call('ZREMRANGEBYSCORE', kept, '-inf', at - kept_ms)
  redis.call('ZREMRANGEBYSCORE', kept, '(' .. at, '+inf') -- of a clock that was ahead
end
if redis.call('ZSCORE', CHOSEN, id) then return { 1 } end
if redis.call('ZCOUNT', CHOSEN, at - at % DAY_MS, '+inf') >= tonumber(budget) then return { 0 } end
for _, part in ipairs(sketch) do n_alike = n_alike + (known(part) and 1 or 0) end
if n_alike * 2 >= #sketch then return { 0 } end
redis.call('ZADD', CHOSEN, at, id)
for _, part in ipairs(sketch) do redis.call('ZADD', SKETCHES, at, part) end
return { 1 }
