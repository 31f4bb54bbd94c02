-- What follows from rejections for their author: the site is told to warn, or all that the author
-- writes waits for a person for a while. A rejection that is taken back may end that, unless a person
-- wanted it.
-- KEYS: authors retention
-- include: queue/facet queue/finite queue/record queue/text queue/of_site queue/author_news queue/strike_count

local function strike_in(counts, rule, rejected, at) -- kind of the news for the site, if there is any
  local warn, hold, hold_ms = rule:match('^(%d+) (%d+) (%d+)$')
  warn, hold, hold_ms = tonumber(warn) or 0, tonumber(hold) or 0, tonumber(hold_ms) or 0
  local n = n_strikes(counts, at)
  local until_now = counts.held_until
  local by_hand = until_now and until_now > at and counts.held_by
  if rejected and hold > 0 and n >= hold then
    counts.held_until = math.max(at + hold_ms, by_hand and until_now or 0)
    counts.held_by = by_hand or nil
    return until_now ~= counts.held_until and 'hold' or nil, n -- once, of many decided at once
  elseif rejected and warn > 0 and n >= warn then
    local warned = counts.warned_at
    counts.warned_at = at
    return warned ~= at and 'warning' or nil, n
  elseif not rejected and until_now and not by_hand and (hold == 0 or n < hold) then
    counts.held_until, counts.held_by = nil, nil
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
  if kind then
    local action = kind == 'warning' and 'warn' or kind
    local more = { action = action, n_rejections = n, held_until = counts.held_until }
    local content = decoded(text_of(id, item))
    local comment = content and content.comment
    local author_id = type(comment) == 'table' and comment.author_id
    tell_of_author(kind, counts, { author, facet_of(item, 'l') }, author_id, item, at, draft, more)
  end
  redis.call('HSET', AUTHORS, author, cjson.encode(counts))
  if counts.held_until then -- longer than the site keeps counts, if need be
    redis.call('ZADD', RETENTION, 'GT', counts.held_until, 'author:' .. author)
  end
end
