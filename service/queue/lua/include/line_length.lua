-- The length of a line.
-- KEYS: lines

local function line_length(line)
  return redis.call('ZLEXCOUNT', LINES, '[' .. line, '(' .. line .. ':')
end
