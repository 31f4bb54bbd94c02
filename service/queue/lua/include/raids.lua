-- Raids: floods of comments on an article, and of copies of a text.
-- KEYS: raids

local RAID_MS = 1800000 -- for which one is shown after its last comment

local function current_raids(at) -- by key; what is over is forgotten
  local found, n = {}, 0
  local stored = redis.call('HGETALL', RAIDS)
  for place = 1, #stored, 2 do
    local known, raid = pcall(cjson.decode, stored[place + 1])
    local last = known and type(raid) == 'table' and tonumber(raid.at)
    if last and last <= at and last > at - RAID_MS then
      found[stored[place]], n = raid, n + 1
    else
      redis.call('HDEL', RAIDS, stored[place])
    end
  end
  return found, n
end
