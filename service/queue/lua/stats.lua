-- Count what is in the queue.
-- KEYS: lines leases decisions outbox dead site
-- ARGV:
-- returns: { pending, leased, age of the oldest (ms), stream entries, outbox, dead, escalated, troubled }
-- include: queue/archived queue/clock queue/line_length

local at = now()
local leased = redis.call('ZCOUNT', LEASES, '(' .. at, '+inf')
local escalated = line_length('e')
local expired = redis.call('ZCARD', LEASES) - leased
local first = redis.call('ZRANGEBYLEX', LINES, '[n', '(o', 'LIMIT', 0, 1)[1] -- in the order of arrival
local oldest = first and tonumber(first:sub(2, 14)) or at
local _, _, n_archived = archived()
return {
  redis.call('ZLEXCOUNT', LINES, '[l', '(m') + escalated + expired, leased, math.max(0, at - oldest),
  redis.call('XLEN', DECISIONS) + n_archived,
  redis.call('ZCARD', OUTBOX), redis.call('ZCARD', DEAD), escalated,
  line_length('t'),
}
