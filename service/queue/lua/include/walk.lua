-- Walking along a line.
-- KEYS: lines leases
-- include: queue/id_length

local PLACE_LENGTH = ID_LENGTH + 13 -- of the due time and the id, with which an entry ends

-- Walks over the ids of a facet's line, the most urgent first. Facet '' is the whole line: those of
-- all labels side by side, of which each step takes the most urgent front. With a place, of a facet's
-- line only what comes after it.
local function walk(facet, after)
  local function first(from, till)
    return redis.call('ZRANGEBYLEX', LINES, from, till, 'LIMIT', 0, 1)[1]
  end
  local function line_end(entry)
    local past = entry:sub(1, -1 - PLACE_LENGTH) .. ':' -- which comes after 9
    return '(' .. (past > entry and past or entry) -- never back, whatever somebody put there
  end
  local fronts, taken = {}, nil
  if facet ~= '' then
    local begin = (after or '') == '' and '[' .. facet or '(' .. facet .. after
    fronts[1] = first(begin, '(' .. facet .. ':')
  else
    local front = first('[l', '(m')
    while front do
      fronts[#fronts + 1] = front
      front = first(line_end(front), '(m')
    end
  end
  local keeps_leased = facet:find('^[^ltec]')
  return function()
    local id
    repeat
      if taken then fronts[taken] = first('(' .. fronts[taken], line_end(fronts[taken])) end
      local soonest
      taken = nil
      for line, front in pairs(fronts) do
        local place = front:sub(-PLACE_LENGTH)
        if not taken or place < soonest then taken, soonest = line, place end
      end
      id = taken and soonest:sub(-ID_LENGTH)
    until not id or not keeps_leased or not redis.call('ZSCORE', LEASES, id)
    return id
  end
end
