-- Forget what was decided before a time: texts always, records once nothing points at them. Refuses
-- to forget more than a share of all at once, unless it was told to or the last sweep was just now:
-- then what is due has become so since, and no clock has jumped.
-- KEYS: items texts barred authors bulks retention site listed arrivals
-- ARGV: before limit forced usual_ms share
-- returns: { how many were looked at }
-- returns: { -1, how many are due, how many are kept } where it refuses
-- include: queue/clock queue/item queue/forget_version queue/unlist_some queue/unlist queue/forget_words
-- include: queue/forget_damaged queue/notes queue/keep_notes

local DAY_MS = 86400000

local function still_needed(item) -- the site has not heard the last word yet
  return item.undelivered or item.dead
end

local function forget_notes(facet) -- those that are too old; true where others are left
  local left = {}
  for _, note in ipairs(notes_about(facet)) do
    if (tonumber(note.at) or 0) > tonumber(before) then left[#left + 1] = note end
  end
  keep_notes(facet, left)
  return #left > 0
end

local at, swept = now(), redis.call('HGET', SITE, 'swept')
local n_due = redis.call('ZCOUNT', RETENTION, '-inf', before)
local n_kept = redis.call('ZCARD', RETENTION)
local long_ago = not swept or at - swept > tonumber(usual_ms)
if forced ~= '1' and long_ago and n_due > n_kept * share then return { -1, n_due, n_kept } end
redis.call('HSET', SITE, 'swept', at)
local due = redis.call('ZRANGEBYSCORE', RETENTION, '-inf', before, 'LIMIT', 0, limit)
for _, member in ipairs(due) do
  local kind, name = member:match('^(%l+):(.*)$')
  local later = false
  if kind == 'bulk' then
    redis.call('HDEL', BULKS, name)
  elseif kind == 'author' then
    redis.call('HDEL', AUTHORS, name)
    unlist_some(name)
  elseif kind == 'notes' then
    later = forget_notes(name)
  elseif kind and name:find('^.+:%d+$') then
    local id, version = name:match('^(.+):(%d+)$')
    local item, record = load(id)
    if record and not item then forget_damaged(id, record) end
    forget_version(id, version, item and item.token or 0)
    local last = item and item.version == tonumber(version)
    later = last and still_needed(item)
    if later then
      redis.call('ZADD', RETENTION, before + DAY_MS, member)
      forget_words_of(id, item)
    elseif last and (item.state == 'decided' or item.state == 'withdrawn') then
      unlist(id, item)
      redis.call('HDEL', ITEMS, id)
      forget_arrival(id, item)
      if item.appeal then redis.call('ZREM', BARRED, id .. (item.appeal.moderator or '')) end
    end
  end
  if not later then redis.call('ZREM', RETENTION, member) end -- last, should anything fail before
end
return { #due }
