-- Read model: what each moderator did, by day and by hour, and how often others said the same.
-- KEYS: shifts
-- include: queue/daily

local SHIFTS_DAYS = 15 -- that are kept, today included

-- Count what a moderator did, or with step -1 no longer, because they took it back. Judgements of which
-- they are not to know that they are compared count as all others, so that the count does not tell.
local function count_work(at, moderator, action, step)
  local what, hour = moderator .. ':' .. action, math.floor(at % DAILY_MS / 3600000)
  local names = { 'by:' .. what }
  if at > now() - HOURS_DAYS * DAILY_MS then names[2] = 'at:' .. hour .. ':' .. what end
  count_in(SHIFTS, at, names, step, SHIFTS_DAYS)
end
