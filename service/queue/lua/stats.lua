-- Count what is in the queue.
-- KEYS: items lines leases decisions outbox dead site
-- ARGV:
-- returns: { pending, leased, age of the oldest (ms), stream entries, outbox, dead, escalated, troubled }
-- include: queue/archived queue/clock queue/item queue/walk

local N_OLDEST = 50 -- items of the head of the line, among which the oldest is looked for

local at = now()
local leased = redis.call('ZCOUNT', LEASES, '(' .. at, '+inf')
local escalated = redis.call('ZLEXCOUNT', LINES, '[e', '(f')
local expired = redis.call('ZCARD', LEASES) - leased
local oldest = at
for _, line in ipairs({ '', 'e' }) do
  local n_seen = 0
  for id in walk(line) do
    local item = load(id)
    oldest, n_seen = item and math.min(oldest, item.since) or oldest, n_seen + 1
    if n_seen == N_OLDEST then break end
  end
end
local _, _, n_archived = archived()
return {
  redis.call('ZLEXCOUNT', LINES, '[l', '(m') + escalated + expired, leased, at - oldest,
  redis.call('XLEN', DECISIONS) + n_archived,
  redis.call('ZCARD', OUTBOX), redis.call('ZCARD', DEAD), escalated,
  redis.call('ZLEXCOUNT', LINES, '[t', '(u'),
}
