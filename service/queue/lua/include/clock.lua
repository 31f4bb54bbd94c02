-- The clock of Redis.

local now_ms -- which does not move on while a script runs

local function now() -- Unix time in milliseconds
  if not now_ms then
    local time = redis.call('TIME')
    now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return now_ms
end
