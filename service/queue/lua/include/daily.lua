-- Counting by day: the days since 1970, a colon, and what is counted.
-- include: queue/clock

local DAILY_MS = 86400000
local HOURS_DAYS = 3 -- for which a count of an hour (at:) is kept

local function count_in(key, at, names, step, n_kept)
  local by = step > 0 and '1' or '-1' -- Redis takes a while to write a number
  local today, day = math.floor(now() / DAILY_MS), math.floor(at / DAILY_MS)
  if not (day > today - n_kept and day <= today) then return end
  local is_new = false
  for _, name in ipairs(names) do
    is_new = redis.call('HINCRBY', key, day .. ':' .. name, by) == 1 or is_new
  end
  if not is_new or redis.call('HGET', key, 'today') == tostring(today) then return end
  redis.call('HSET', key, 'today', today) -- which has begun, so that an old day is over
  for _, field in ipairs(redis.call('HKEYS', key)) do
    day = tonumber(field:match('^(%d+):')) or today
    local n_days = field:find('^%d+:at:') and HOURS_DAYS or n_kept
    if day <= today - n_days or day > today then redis.call('HDEL', key, field) end
  end
end
