-- Walking along a line.
-- KEYS: lines leases
-- include: queue/id_length

local PLACE_LENGTH = ID_LENGTH + 13 -- of the due time and the id, with which an entry ends
local MOST_AT_ONCE = 64 -- entries that are read of a line; whoever walks far reads many at a time

local function line_end(entry) -- of the line that an entry stands in
  local past = entry:sub(1, -1 - PLACE_LENGTH) .. ':' -- which comes after 9
  return '(' .. (past > entry and past or entry) -- never back, whatever somebody put there
end

local function read_on(line) -- the next entry of a line is its `front` from then on, if there is one
  line.next = line.next + 1
  if not line.entries[line.next] then
    line.entries = redis.call('ZRANGEBYLEX', LINES, line.from, line.till, 'LIMIT', 0, line.n)
    line.next, line.n = 1, math.min(2 * line.n, MOST_AT_ONCE)
  end
  line.front = line.entries[line.next]
  if line.front then
    line.from, line.place = '(' .. line.front, line.front:sub(-PLACE_LENGTH)
  end
  return line.front
end

local function begin(from, till)
  local line = { entries = {}, next = 0, n = 1, from = from, till = till }
  return read_on(line) and line
end

local function lines_of_labels(after)
  local lines, line = {}, begin('[l', '(m')
  while line do
    line.till = line_end(line.front)
    local behind = after and '(' .. line.front:sub(1, -1 - PLACE_LENGTH) .. after
    lines[#lines + 1] = (not behind and line) or begin(behind, line.till) or nil
    line = begin(line.till, '(m')
  end
  return lines
end

-- Walks over the ids of a facet's line and their places, the most urgent first, and only behind a
-- place where one is given. Facet '' is the whole line: those of all labels side by side, of which
-- each step takes the most urgent front.
local function walk(facet, after)
  local lines = {}
  if after == '' then after = nil end
  if facet == '' then
    lines = lines_of_labels(after)
  else
    lines[1] = begin(after and '(' .. facet .. after or '[' .. facet, '(' .. facet .. ':') or nil
  end
  local keeps_leased, taken = facet:find('^[^ltec]') or facet:find('^e%l'), nil
  return function()
    local id
    repeat
      if taken then read_on(taken) end
      taken = nil
      for _, line in ipairs(lines) do
        if line.front and (not taken or line.place < taken.place) then taken = line end
      end
      id = taken and taken.place:sub(-ID_LENGTH)
    until not id or not keeps_leased or not redis.call('ZSCORE', LEASES, id)
    return id, taken and taken.place
  end
end
