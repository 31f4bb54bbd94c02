-- The clock of Redis.

local function now() -- milliseconds since the epoch by Redis' own clock
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
