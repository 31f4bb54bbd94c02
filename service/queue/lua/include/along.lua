-- Walking along one line in its own order, over what people hold as well.
-- KEYS: lines
-- include: queue/id_length

local READ_AT_ONCE = 100

-- Ids and places, from behind a place on where one is given; `down` from the end of the line on.
local function along(line, after, down)
  local chunk, next_one = {}, 1
  local from, till = '[' .. line, '(' .. line .. ':'
  if down then from, till = till, from end
  if after ~= '' then from = '(' .. line .. after end
  return function()
    if next_one > #chunk then
      local read = down and 'ZREVRANGEBYLEX' or 'ZRANGEBYLEX'
      chunk, next_one = redis.call(read, LINES, from, till, 'LIMIT', 0, READ_AT_ONCE), 1
      if #chunk == 0 then return end
      from = '(' .. chunk[#chunk]
    end
    local entry = chunk[next_one]
    next_one = next_one + 1
    return entry:sub(-ID_LENGTH), entry:sub(#line + 1)
  end
end
