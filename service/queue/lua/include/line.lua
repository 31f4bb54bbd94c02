-- The place of an item in the line.
-- KEYS: lines leases retention
-- include: queue/clock queue/item

local TROUBLED_AFTER = 3 -- leases that ran out; then people are told that an item keeps being left

local function entries(id, item) -- of a waiting item in the lines
  local place = item.due .. id -- until the year 2286 all times have 13 digits
  if item.known_answer then return { 'c' .. place } end -- in no line, only ever mixed in
  if item.escalated then return { 'e' .. place } end -- for seniors, whatever they look for
  local found = {}
  for _, facet in ipairs(item.facets) do found[#found + 1] = facet .. place end
  if item.abandoned >= TROUBLED_AFTER then found[#found + 1] = 't' .. place end
  return found
end

local function forget_later(id, item, at) -- after the site's retention period
  redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. item.version)
end

local function line_up(id, item) -- into the line, at the place its due time gives it
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  item.state, item.owner, item.expires = item.mixed_in and 'withdrawn' or 'pending', nil, nil
  save(id, item)
  if item.mixed_in then -- a known answer that its moderator left: it is offered once
    return forget_later(id, item, now())
  end
  local scored = {}
  for place, entry in ipairs(entries(id, item)) do
    scored[2 * place - 1], scored[2 * place] = 0, entry
  end
  redis.call('ZADD', LINES, unpack(scored))
end

local function take_out(id, item) -- of the lines and of the leases
  if item.state == 'leased' then redis.call('ZREM', LEASES, id) end
  if waits(item) then
    redis.call('ZREM', LINES, unpack(entries(id, item)))
  end
end

local function leave_queue(id, item, at) -- without a decision
  take_out(id, item)
  item.state, item.void, item.owner, item.expires = 'withdrawn', 'withdrawn', nil, nil
  forget_later(id, item, at)
end
