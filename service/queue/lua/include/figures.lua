-- Read model: daily figures of a site, for Insight and the previews of thresholds.
-- KEYS: figures
-- include: queue/daily queue/judgement

local FIGURES_DAYS = 15 -- that are kept, today included
local SCORE_BINS = 20
local BINS_PER_DOUBLING = 16 -- of the time to decision: each bin is 4 % longer than the one before

local function count(at, names, step) count_in(FIGURES, at, names, step, FIGURES_DAYS) end

-- What somebody said of a comment: `other` is a rejection for a reason that names no label.
local function said_of(facts)
  local labeled = type(facts.labels) == 'table' and next(facts.labels)
  local other = facts.action == 'reject' and type(facts.reason) == 'string' and not labeled
  return other and 'other' or facts.action
end

-- What brought a comment before a person, where that was not its score, and how likely it was to be.
local function seen(facts)
  local verdict = facts.verdict
  local why, likely = verdict.reason, verdict.sampling_probability or 1
  if type(why) ~= 'string' or type(likely) ~= 'number' or why == 'score' then return end
  if facts.restored then return end -- not every export says how likely it was
  if facts.appeal_of and not facts.overturned then return end -- the first decision was counted
  -- Drawn from those that would be rejected: something is held against a field, usually the text.
  if why == 'random_sample' and verdict.field ~= cjson.null then why = 'rejected' end
  return 'seen:' .. why .. ':' .. likely .. ':' .. said_of(facts)
end

-- Count what a person decided, if it can be read, or with step -1 no longer count it, because it was
-- taken back.
local function count_decision(facts, step)
  local countable = facts and facts.source == 'moderator' and type(facts.moderator) == 'string'
    and type(facts.action) == 'string' and type(facts.verdict) == 'table'
    and type(facts.decided_at) == 'number' and type(facts.enqueued_at) == 'number'
  if not countable then return end
  local at = facts.decided_at
  if facts.kind == 'known_answer' then
    local answer = facts.action == facts.expected and 'right:' or 'wrong:'
    count(at, { 'known:' .. answer .. facts.moderator }, step)
  elseif facts.kind == 'decision' then
    local hour = math.floor(at % DAILY_MS / 3600000)
    local seconds = math.max(1, (at - facts.enqueued_at) / 1000)
    local doublings = math.log(seconds) / math.log(2)
    local names = {
      'hour:' .. hour .. ':' .. facts.action,
      'wait:' .. math.floor(BINS_PER_DOUBLING * doublings + 0.5),
    }
    local label, score = facts.verdict.label, facts.verdict.score or 0
    if type(label) == 'string' and type(score) == 'number' then
      local bin = math.min(SCORE_BINS - 1, math.floor(score * SCORE_BINS))
      local why = (facts.verdict.reason or 'score') == 'score' and 'score:' or 'other:'
      names[#names + 1] = why .. label .. ':' .. bin .. ':' .. said_of(facts)
    end
    names[#names + 1] = seen(facts)
    count(at, names, step)
  end
end

-- Count two judgements of which neither moderator knew the other's.
local function count_pair(at, one, other, step)
  if one.moderator == other.moderator then return end
  if one.moderator > other.moderator then one, other = other, one end
  count_agreement(at, one, other, step)
  local said = one.action:sub(1, 1) .. other.action:sub(1, 1)
  count(at, { 'pair:' .. said .. ':' .. cjson.encode({ one.moderator, other.moderator }) }, step)
end
