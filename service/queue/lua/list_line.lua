-- Find the line along which a list is read: the shortest that holds all that is wanted. It has the
-- order of the list, or is short enough that whoever asks can sort it; else it is the line of the order.
-- KEYS: lines
-- ARGV: order state reported most facets...
-- returns: { time (ms), line, 1 where it has the order, else 0 }; the line `held` is what people hold
-- include: queue/clock queue/line_length

local function narrowest() -- of the lines that hold all that is wanted, and its length
  local lines = { state == 'troubled' and 't' or state == 'escalated' and 'e' or nil }
  for _, facet in ipairs(facets) do lines[#lines + 1] = (state == 'escalated' and 'e' or '') .. facet end
  local found, shortest = '', math.huge
  for _, line in ipairs(lines) do
    local n = line_length(line)
    if n < shortest then found, shortest = line, n end
  end
  return found, shortest
end

most = tonumber(most)
if state == 'leased' then return { now(), 'held', 0 } end
local line, length = narrowest()
if order == 'urgent' then
  local to_sort = reported == '1' and line_length('r') < math.min(length, most)
  return { now(), to_sort and 'r' or line, to_sort and 0 or 1 }
end
local own = order == 'reported' and 'r' or 'n'
if reported == '1' and line_length('r') < length then line, length = 'r', line_length('r') end
if line == own or length > most then return { now(), own, 1 } end
return { now(), line, 0 }
