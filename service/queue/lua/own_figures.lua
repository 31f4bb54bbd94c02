-- Read counters by name, wherever they are kept.
-- KEYS: figures shifts
-- ARGV: names...
-- returns: { value or false, ... }

local found = redis.call('HMGET', SHIFTS, unpack(names))
for place, value in ipairs(redis.call('HMGET', FIGURES, unpack(names))) do found[place] = found[place] or value end
return found
