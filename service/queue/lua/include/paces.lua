-- How many comments authors send and articles get.
-- KEYS: paces paced
-- include: queue/window

local PACE_MS = 86400000 -- for which what is usual is remembered
local HOUR_MS, RAID_WINDOW_MS = 3600000, 600000
local MAX_PACED = 20000 -- authors and articles; some 5 MB
local LEARNED = 0.1 -- share of what is usual that one window of an article makes
local N_LEARNED = 1000 -- comments of a site that make what is usual on its articles

local function read_pace(field) -- window, counts, what is usual
  local record = redis.call('HGET', PACES, field) or ''
  local window, count, before, usual = record:match('^(%d+) (%d+) (%d+) ([%d.]+)$')
  return tonumber(window) or 0, tonumber(count) or 0, tonumber(before) or 0, tonumber(usual) or 0
end

local function write_pace(field, window, count, before, usual, at)
  local record = string.format('%d %d %d %.3f', window, count, before, usual)
  redis.call('HSET', PACES, field, record)
  redis.call('ZADD', PACED, at, field)
end

local function forget_pace(field) redis.call('HDEL', PACES, field) end

local function pace_of_author(facet, step, at)
  local n
  local window, count, before = read_pace(facet)
  window, count, before, n = in_window(window, count, before, step, at, HOUR_MS)
  write_pace(facet, window, count, before, 0, at)
  return n
end

-- What is usual on the site: what comments find on their articles on average, so that an article on
-- which many write weighs as much. From ten minutes that are over, and were no raid.
local function learn_usual(n, at, factor, min)
  local _, n_seen, _, usual = read_pace('site')
  if n > 0 and n < math.max(min, factor * usual) then
    n_seen = math.min(n_seen + n, N_LEARNED)
    write_pace('site', 0, n_seen, 0, usual + (n - usual) * n / n_seen, at)
  end
end

-- Comments on an article in ten minutes, and how many are usual there or on the site.
local function pace_of_article(facet, step, at, factor, min)
  local window, count, before, usual = read_pace(facet)
  local n_over = window > 0 and math.floor(at / RAID_WINDOW_MS) - window or 0
  if n_over > 0 then -- that window is over, and some in which nothing came
    learn_usual(count, at, factor, min)
    usual = (usual + LEARNED * (count - usual)) * (1 - LEARNED) ^ (n_over - 1)
  end
  local n
  window, count, before, n = in_window(window, count, before, step, at, RAID_WINDOW_MS)
  write_pace(facet, window, count, before, usual, at)
  local _, _, _, on_site = read_pace('site')
  return n, math.max(usual, on_site)
end
