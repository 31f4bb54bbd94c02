-- The last id that the decision stream has handed out.
-- KEYS: decisions

local function last_id() -- 0-0 where there was none; ids of entries that were removed count
  if redis.call('EXISTS', DECISIONS) == 0 then return '0-0' end
  local facts = redis.call('XINFO', 'STREAM', DECISIONS)
  for place = 1, #facts, 2 do
    if facts[place] == 'last-generated-id' then return facts[place + 1] end
  end
end
