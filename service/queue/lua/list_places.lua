-- Read some of a line in its own order: the places that its items have in another, for whoever sorts.
-- KEYS: items lines leases
-- ARGV: line order after limit
-- returns: { where to go on, or '' at the end, place, ... }
-- include: queue/item queue/report_place queue/id_length

local function entries()
  if line == 'held' then
    local first = tonumber(after) or 0
    return redis.call('ZRANGE', LEASES, first, first + limit - 1)
  end
  local from = after ~= '' and '(' .. after or '[' .. line
  return redis.call('ZRANGEBYLEX', LINES, from, '(' .. line .. ':', 'LIMIT', 0, limit)
end

local function since_in(record) -- without decoding it, which takes longer
  local at = record:find('"since":', 1, true)
  return at and not record:find('"reported":', 1, true) and record:match('^%d+', at + #'"since":')
end

local function place_of(id) -- nil for what is not there, or not in this order
  local by_since = order ~= 'urgent' and order ~= 'reported'
  local since = by_since and since_in(redis.call('HGET', ITEMS, id) or '')
  if since then return since .. id end
  local item, record = load(id)
  if not item then return record and ('0'):rep(13) .. id or nil end -- people are told that it cannot be read
  if order == 'urgent' then return item.due .. id end
  if by_since then return item.since .. id end
  local place = report_place(id, item)
  return place and place:sub(2) or nil
end

local found = entries()
local answer = { '' }
for _, entry in ipairs(found) do answer[#answer + 1] = place_of(entry:sub(-ID_LENGTH)) end
if #found == tonumber(limit) then
  answer[1] = line == 'held' and string.format('%.0f', (tonumber(after) or 0) + limit) or found[#found]
end
return answer
