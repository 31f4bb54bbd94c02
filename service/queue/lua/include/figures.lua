-- Read model: daily figures of a site, for Insight and the previews of thresholds.
-- KEYS: figures
-- include: queue/clock

local FIGURES_DAY_MS = 86400000
local FIGURES_DAYS = 15 -- that are kept, today included
local SCORE_BINS = 20
local BINS_PER_DOUBLING = 16 -- of the time to decision: each bin is 4 % longer than the one before

local figures_day -- today, in days since 1970

local function open_figures() -- of a day that has begun
  figures_day = math.floor(now() / FIGURES_DAY_MS)
  if redis.call('HGET', FIGURES, 'today') == tostring(figures_day) then return end
  redis.call('HSET', FIGURES, 'today', figures_day)
  for _, field in ipairs(redis.call('HKEYS', FIGURES)) do
    local day = tonumber(field:match('^(%d+):'))
    local kept = not day or (day > figures_day - FIGURES_DAYS and day <= figures_day)
    if not kept then redis.call('HDEL', FIGURES, field) end
  end
end

local function add_figure(at, name, step)
  figures_day = figures_day or math.floor(now() / FIGURES_DAY_MS)
  local day = math.floor(at / FIGURES_DAY_MS)
  if day > figures_day - FIGURES_DAYS and day <= figures_day then
    redis.call('HINCRBY', FIGURES, day .. ':' .. name, step)
  end
end

local function countable(facts) -- what a person said, if it can be read
  return facts and facts.source == 'moderator' and type(facts.moderator) == 'string'
    and type(facts.action) == 'string' and type(facts.verdict) == 'table'
    and type(facts.decided_at) == 'number' and type(facts.enqueued_at) == 'number'
end

-- Count what a person decided, or with step -1 no longer count it, because it was taken back.
local function count_decision(facts, step)
  if not countable(facts) then return end
  local at = facts.decided_at
  if facts.kind == 'known_answer' then
    local answer = facts.action == facts.expected and 'right' or 'wrong'
    add_figure(at, 'known:' .. answer .. ':' .. facts.moderator, step)
  elseif facts.kind == 'decision' then
    local hour = math.floor(at % FIGURES_DAY_MS / 3600000)
    add_figure(at, 'hour:' .. hour .. ':' .. facts.action, step)
    local seconds = math.max(1, (at - facts.enqueued_at) / 1000)
    local doublings = math.log(seconds) / math.log(2)
    add_figure(at, 'wait:' .. math.floor(BINS_PER_DOUBLING * doublings + 0.5), step)
    local label, score = facts.verdict.label, facts.verdict.score or 0
    if type(label) == 'string' and type(score) == 'number' then
      local bin = math.min(SCORE_BINS - 1, math.floor(score * SCORE_BINS))
      local why = (facts.verdict.reason or 'score') == 'score' and 'score:' or 'other:'
      add_figure(at, why .. label .. ':' .. bin .. ':' .. facts.action, step)
    end
  end
end

-- Count two judgements of which neither moderator knew the other's.
local function count_pair(at, one, other, step)
  if one.moderator == other.moderator then return end
  if one.moderator > other.moderator then one, other = other, one end
  local said = one.action:sub(1, 1) .. other.action:sub(1, 1)
  add_figure(at, 'pair:' .. said .. ':' .. cjson.encode({ one.moderator, other.moderator }), step)
end
