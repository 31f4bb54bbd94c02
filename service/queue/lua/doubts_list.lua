-- Exchange the list of doubtful decisions. Those that somebody has confirmed stay confirmed, as long as
-- they are not older than what was looked at.
-- KEYS: doubts
-- ARGV: oldest doubts...
-- returns: { how many are listed }
-- include: queue/clock queue/order

local stored, n_listed = redis.call('HGETALL', DOUBTS), 0
for place = 1, #stored, 2 do
  local entry, said = stored[place], stored[place + 1]
  if said ~= 'stands' or precedes(entry, oldest) then redis.call('HDEL', DOUBTS, entry) end
end
for place = 1, #doubts, 2 do n_listed = n_listed + redis.call('HSETNX', DOUBTS, doubts[place], doubts[place + 1]) end
redis.call('HSET', DOUBTS, 'looked_at', now())
return { n_listed }
