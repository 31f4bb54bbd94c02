-- Hold an author, release or warn them, or ask the site to mute, block or restore them, because a
-- person says so; the site is told. `till` is a time, or empty for no end.
-- KEYS: items texts decisions authors outbox retention site listed
-- ARGV: author label author_id kind till draft
-- returns: { 'ok', id of the entry }
-- returns: { 'unheld' } where somebody is to be released who is not held
-- include: queue/clock queue/record queue/finite queue/author_news queue/strike_count

local at = now()
local request = redis.sha1hex(draft) -- the same is one that says the same
local counts = decoded(redis.call('HGET', AUTHORS, author))
if not counts or not is_finite(counts) then counts = { format = FORMAT } end
local known = counts.item and load(counts.item)
if known and known.request == request then return { 'ok', known.news[1] } end
local draft_said = cjson.decode(draft)
local more = { n_rejections = n_strikes(counts, at) }
local ends = tonumber(till)
if kind == 'hold' then
  counts.held_until, counts.held_by, more.held_until = ends, draft_said.moderator, ends
  redis.call('ZADD', RETENTION, 'GT', ends, 'author:' .. author)
  local last = tonumber(redis.call('HGET', SITE, 'authors_held_until') or 0) or 0
  redis.call('HSET', SITE, 'authors_held_until', string.format('%.0f', math.max(last, ends)))
elseif kind == 'release' then
  if (counts.held_until or 0) <= at then return { 'unheld' } end
  counts.held_until, counts.held_by = nil, nil
elseif kind == 'warning' then
  counts.warned_at = at
else
  more['until'] = ends
end
redis.call('ZADD', RETENTION, 'GT', at, 'author:' .. author)
local item = tell_of_author(kind, counts, { author, label }, author_id, nil, at, draft, more)
item.request = request
save(counts.item, item)
redis.call('HSET', AUTHORS, author, cjson.encode(counts))
return { 'ok', item.news[1] }
