-- Read the daily figures of a site.
-- KEYS: decisions figures
-- ARGV:
-- returns: { 1 where all older decisions are known, else 0; name, value, ... }
-- include: queue/read_in

local answer = redis.call('HGETALL', FIGURES)
table.insert(answer, 1, all_read_in())
return answer
