-- Count what became of comments when they came, by article and hour. `counts` has five words for each:
-- facet of the article, hour since 1970, how many passed, were held and were rejected. What is kept of an
-- article are hours, each "<hour>:<passed>,<held>,<rejected>".
-- KEYS: heat heated
-- ARGV: counts...
-- returns: { how many articles and hours were counted }
-- include: queue/clock queue/forget_oldest

local HOUR_MS, HEAT_HOURS = 3600000, 168 -- a week
local MAX_HEATED = 20000 -- articles; some 6 MB

local function forget_heat(facet) redis.call('HDEL', HEAT, facet) end

local function counted(facet, hour, more, this_hour)
  local kept, found = {}, false
  for one in (redis.call('HGET', HEAT, facet) or ''):gmatch('%S+') do
    local known, passed, held, rejected = one:match('^(%d+):(%d+),(%d+),(%d+)$')
    known = tonumber(known or 0)
    if known == hour then
      passed, held, rejected, found = passed + more[1], held + more[2], rejected + more[3], true
    end
    if known > this_hour - HEAT_HOURS and known <= this_hour + 1 then
      kept[#kept + 1] = string.format('%d:%d,%d,%d', known, passed, held, rejected)
    end
  end
  if not found then kept[#kept + 1] = string.format('%d:%d,%d,%d', hour, unpack(more)) end
  return table.concat(kept, ' ')
end

local at = now()
local this_hour = math.floor(at / HOUR_MS)
forget_oldest(HEATED, at, HEAT_HOURS * HOUR_MS, MAX_HEATED, forget_heat)
for place = 1, #counts, 5 do
  local facet, hour, passed, held, rejected = unpack(counts, place, place + 4)
  local more = { tonumber(passed), tonumber(held), tonumber(rejected) }
  redis.call('HSET', HEAT, facet, counted(facet, tonumber(hour), more, this_hour))
  redis.call('ZADD', HEATED, at, facet)
end
return { #counts / 5 }
