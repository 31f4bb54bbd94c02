-- Read on in the list of what waits: the items that pass all filters, in one order, from a place on,
-- for a bounded time. Of what is nearly the same text only the first is shown, and with it how many
-- there are. With `since` only what came later is counted. It walks along the narrowest line that has
-- the order. A short line that has another order is sorted as a whole; else the line of the order is
-- walked along, and what does not pass is stepped over.
-- KEYS: items texts lines leases retention
-- ARGV: order after since state why version reported grouped seen limit most facets...
-- returns: { time (ms), place to go on from or '', looked at, { groups seen }, row, ... }, where row is
-- returns: { 'ok', item id, record, content or false, copies } or, with `since`, a 1
-- include: queue/clock queue/return_expired queue/wanted queue/text queue/walk queue/along

local MOST_SORTED = 1000 -- items of a line that is sorted as a whole
local DECODED, SHOWN = 4, 8 -- what it costs, beside stepping over one
local BY_DUE = { urgent = true }
local DESCENDING = { newest = true }

local function line_length(line)
  return redis.call('ZLEXCOUNT', LINES, '[' .. line, '(' .. line .. ':')
end

local function narrowest() -- of the lines that hold all that is wanted, and its length
  local lines = { unpack(facets) }
  if state == 'escalated' then lines = { 'e' } end -- which stand in no other line
  if state == 'troubled' then lines[#lines + 1] = 't' end
  local found, shortest
  for _, line in ipairs(lines) do
    local n = line_length(line)
    if not shortest or n < shortest then found, shortest = line, n end
  end
  return found, shortest
end

local function place_of(id, entry) -- in the order that is asked for
  if BY_DUE[order] and entry then return entry:sub(-PLACE_LENGTH) end
  local record = redis.call('HGET', ITEMS, id) or ''
  local simple = not BY_DUE[order] and order ~= 'reported' and not record:find('"reported"', 1, true)
  local since_then = simple and record:match('"since":%s?(%d+)')
  if since_then then return since_then .. id, record end
  local item = load(id)
  if not item then return record ~= '' and ('0'):rep(13) .. id, record end
  if BY_DUE[order] then return item.due .. id, record end
  local reports = order == 'reported' and report_place(id, item)
  return reports and reports:sub(2) or (order == 'reported' and '999' or '') .. item.since .. id, record
end

local function passed(place) -- whether it was shown before
  if after == '' then return false end
  if DESCENDING[order] then return place >= after end
  return place <= after
end

local function walk_sorted(entries, line) -- entries of a line, or ids
  local found, records = {}, {}
  for _, entry in ipairs(entries) do
    local id = entry:sub(-ID_LENGTH)
    local place, record = place_of(id, line and line ~= 'r' and entry)
    if not passed(place) then
      found[#found + 1], records[id] = place, record
    end
  end
  table.sort(found)
  local step = DESCENDING[order] and -1 or 1
  local next_one = step > 0 and 1 or #found
  return function()
    local place = found[next_one]
    next_one = next_one + step
    if place then return place:sub(-ID_LENGTH), place, records[place:sub(-ID_LENGTH)] end
  end
end

local function members() -- ids and places of what may be wanted, in order
  local at = now()
  if state == 'leased' then return walk_sorted(redis.call('ZRANGEBYSCORE', LEASES, '(' .. at, '+inf')) end
  local line, length = narrowest()
  if BY_DUE[order] and not (reported == '1' and line_length('r') < math.min(length or math.huge, MOST_SORTED)) then
    return walk(line or '', after ~= '' and after or nil)
  end
  local reports = reported == '1' or order == 'reported' -- all that is wanted stands in their line
  if reports and (not length or line_length('r') < length) then line, length = 'r', line_length('r') end
  if line == 'r' and order == 'reported' then return along('r', after) end
  if length and length <= MOST_SORTED then
    return walk_sorted(redis.call('ZRANGEBYLEX', LINES, '[' .. line, '(' .. line .. ':'), line)
  end
  return along(order == 'reported' and 'r' or 'n', after, DESCENDING[order])
end

local at, cost, n_looked, place, more = now(), 0, 0, '', false
return_expired(at)
local shown_groups, groups, rows, words = {}, {}, {}, words_of(why, version)
for group in seen:gmatch('%S+') do shown_groups[group] = 'before' end
for id, here, record in members() do
  if #rows == tonumber(limit) or cost >= tonumber(most) then
    more = true
    break
  end
  place, cost, n_looked = here, cost + 1, n_looked + 1
  record = record or redis.call('HGET', ITEMS, id) or ''
  if since ~= '' and here:sub(1, #since) <= since then break end -- newest first: all others came earlier
  if record ~= '' and may_be_wanted(record, facets, words) then
    local group = grouped == '1' and facets_text(record) or ''
    group = group:match('"(g[^"]+)"')
    if group and shown_groups[group] then
      if shown_groups[group] == 'before' then groups[#groups + 1] = group end
      shown_groups[group] = 'now'
    else
      cost = cost + DECODED
      local item = load(id)
      local plain = why == '' and version == '' and reported == '' and #facets == 0
      if item and is_wanted(item, state, why, version, reported) or not item and plain then
        local copies = group and line_length(group) or 0
        if copies > 1 then
          shown_groups[group] = 'now'
          groups[#groups + 1] = group
        end
        if since ~= '' then
          rows[#rows + 1] = 1
        else
          cost = cost + SHOWN
          rows[#rows + 1] = { 'ok', id, record, item and text_of(id, item) or false, copies }
        end
      end
    end
  end
end
return { at, more and place or '', n_looked, groups, unpack(rows) }
