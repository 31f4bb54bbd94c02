-- Counts of a sliding window, and keys of which only what came last is kept.

-- What a count is once a step is added, from the number of its window and the counts of that and of
-- the one before: of the last window as much counts as of it lies within the length of one window.
local function in_window(window, count, before, step, at, length)
  local present = math.floor(at / length)
  if window == present - 1 then
    before, count = count, 0
  elseif window ~= present then
    before, count = 0, 0
  end
  count = count + step
  local left = 1 - at % length / length
  return present, count, before, count + math.floor(before * left)
end

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
