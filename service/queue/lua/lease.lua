-- Give a moderator the most urgent item that waits.
-- With an id for a copy: a known answer in its place, if there is one.
-- KEYS: items texts lines leases barred retention
-- ARGV: moderator lease_ms facet senior copy
-- returns: { 'ok', item id, record, content or false }
-- returns: { 'none' }
-- include: queue/clock queue/return_expired queue/hand_out queue/walk queue/bars queue/text

-- The most urgent item of a line that is not barred for this moderator. Only what this moderator
-- skipped or has judged before is stepped over, so the length of the line does not matter.
local function first_for(moderator, facet, at)
  for id in walk(facet) do
    local till = redis.call('ZSCORE', BARRED, id .. moderator)
    if not till or tonumber(till) <= at then
      local item = load(id)
      if item and item.state == 'pending' then return id, item end
    end
  end
end

-- A known answer for this moderator alone, in the place of the item that would have come: a
-- copy, because everybody is to answer it, each once.
local function mix_in(model, item, content, moderator, id, replaced, at)
  redis.call('HSET', TEXTS, id .. ':1', content)
  bar(model, moderator, at, '+inf')
  item.model, item.answers = model, nil
  item.mixed_in, item.version, item.since, item.due = true, 1, replaced.since, replaced.due
  return item
end

local at = now()
return_expired(at)
local id, item
if senior == '1' and facet == '' then id, item = first_for(moderator, 'e', at) end
if not id then id, item = first_for(moderator, facet, at) end
if not id then return { 'none' } end
local model, known = nil, nil
if copy ~= '' then model, known = first_for(moderator, 'c', at) end
local content = model and text_of(model, known)
if content then
  id, item = copy, mix_in(model, known, content, moderator, copy, item, at)
else
  hand_out(id, item)
end
local record = lease(id, item, moderator, at, lease_ms)
return { 'ok', id, record, text_of(id, item) }
