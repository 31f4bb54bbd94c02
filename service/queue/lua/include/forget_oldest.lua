-- Keys of which only what came last is kept.

local MAX_FORGOTTEN = 10 -- at once; more than one call adds to a line of comments that goes on

-- Forget what was last seen longest ago, while there is too much of it or it is too old; and what a
-- clock that was ahead has left.
local function forget_oldest(key, at, kept_ms, most, forget)
  local n_over = redis.call('ZCARD', key) - most
  local found = n_over > 0 and redis.call('ZRANGE', key, 0, math.min(n_over, 4 * MAX_FORGOTTEN) - 1)
    or redis.call('ZRANGEBYSCORE', key, '-inf', '(' .. at - 2 * kept_ms, 'LIMIT', 0, MAX_FORGOTTEN)
  if #found == 0 then
    found = redis.call('ZRANGEBYSCORE', key, '(' .. at, '+inf', 'LIMIT', 0, MAX_FORGOTTEN)
  end
  for _, member in ipairs(found) do
    forget(member)
    redis.call('ZREM', key, member)
  end
end
