-- What follows from rejections for their author: the site is told to warn, or all that the author
-- writes waits for a person for a while. A rejection that is taken back may end that.
-- KEYS: authors
-- include: queue/facet queue/finite queue/record queue/stream queue/tell queue/of_site

local STRIKES_MS = 30 * 86400000 -- in which rejections count

local function strike_in(counts, rule, rejected, at) -- kind of the news for the site, if there is any
  local warn, hold, hold_ms = rule:match('^(%d+) (%d+) (%d+)$')
  warn, hold, hold_ms = tonumber(warn) or 0, tonumber(hold) or 0, tonumber(hold_ms) or 0
  local n = 0
  for _, time in ipairs(counts.rejected_at or {}) do
    if time > at - STRIKES_MS then n = n + 1 end
  end
  local until_now = counts.held_until
  if rejected and hold > 0 and n >= hold then
    counts.held_until = at + hold_ms
    return until_now ~= counts.held_until and 'hold' or nil, n -- once, of many decided at once
  elseif rejected and warn > 0 and n >= warn then
    local warned = counts.warned_at
    counts.warned_at = at
    return warned ~= at and 'warning' or nil, n
  elseif not rejected and until_now and (hold == 0 or n < hold) then
    counts.held_until = nil
    return until_now > at and 'release' or nil, n
  end
end

local function strike(id, item, at, draft, rejected)
  local author, rule = facet_of(item, 'u'), of_site('strikes')
  if not (author and rule) or item.known_answer or item.verdict.reason == 'article_closed' then
    return
  end
  local counts = decoded(redis.call('HGET', AUTHORS, author))
  if not counts or not is_finite(counts) then return end
  local kind, n = strike_in(counts, rule, rejected, at)
  if not n then return end
  redis.call('HSET', AUTHORS, author, cjson.encode(counts))
  if not kind then return end
  local action = kind == 'warning' and 'warn' or kind
  local more = { action = action, n_rejections = n, held_until = counts.held_until }
  local entry = tell_stream(kind, id, item, at, draft, more)
  tell(id, item, entry, at)
end
