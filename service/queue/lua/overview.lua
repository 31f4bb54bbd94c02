-- Say what a queue is made of: how much waits by facet and by age, why what has no label waits, what
-- people hold, and what they keep leaving. `ages` are bounds in milliseconds, separated by blanks.
-- KEYS: items texts lines leases
-- ARGV: ages unlabelled most shown facets...
-- returns: { { waits with the facet, ... }, { waits or is held and is younger than the bound, ..., older },
-- returns:   { reason of the first `most` without a label, ... }, of the first `shown` cannot be read,
-- returns:   { held, ... }, { keeps being left, the first `shown`, ... } }
-- include: queue/clock queue/line_length queue/walk queue/shown_all

local at = now()
local held = redis.call('ZRANGEBYSCORE', LEASES, '(' .. at, '+inf')
most, shown = tonumber(most), tonumber(shown)

local function ids_of(line, n) -- the first so many of it
  local ids = {}
  for id in walk(line) do
    if #ids == n then break end
    ids[#ids + 1] = id
  end
  return ids
end

local n_waiting, n_held = {}, {}
for _, id in ipairs(held) do -- which some of the lines keep
  local item = load(id)
  for _, facet in ipairs(item and item.facets or {}) do
    local entry = (item.escalated and 'e' or '') .. facet .. item.due .. id
    if redis.call('ZSCORE', LINES, entry) then n_held[facet] = (n_held[facet] or 0) + 1 end
  end
end
for place, facet in ipairs(facets) do
  n_waiting[place] = line_length(facet) + line_length('e' .. facet) - (n_held[facet] or 0)
end

local n_younger = {}
for bound in ages:gmatch('%d+') do
  n_younger[#n_younger + 1] = redis.call('ZLEXCOUNT', LINES, '(n' .. at - bound .. '~', '(n:')
end
n_younger[#n_younger + 1] = line_length('n')

local reasons = {}
for _, line in ipairs({ unlabelled, 'e' .. unlabelled }) do
  for _, id in ipairs(ids_of(line, most - #reasons)) do
    local record = redis.call('HGET', ITEMS, id) or ''
    reasons[#reasons + 1] = record:match('"reason":"([%l_]+)"') or ''
  end
end

local n_damaged = 0
for _, id in ipairs(ids_of('', shown)) do
  local item, record = load(id)
  if record and not item then n_damaged = n_damaged + 1 end
end
return { n_waiting, n_younger, reasons, n_damaged, shown_all(held), shown_all(ids_of('t', shown)) }
