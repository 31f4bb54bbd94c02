-- Counting what moderators judged.
-- KEYS: shifts
-- include: queue/shifts

local function count_judgement(facts, step)
  local countable = facts.source == 'moderator' and type(facts.moderator) == 'string'
    and type(facts.action) == 'string' and type(facts.decided_at) == 'number'
  if countable then count_work(facts.decided_at, facts.moderator, facts.action, step) end
end

-- Two judgements of which neither moderator knew the other's, for each of them.
local function count_agreement(at, one, other, step)
  local how = one.action == other.action and 'agreed:' or 'differed:'
  count_in(SHIFTS, at, { how .. one.moderator, how .. other.moderator }, step, SHIFTS_DAYS)
end
