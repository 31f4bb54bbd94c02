-- What follows from a decision: for the site and for the author.
-- KEYS: outbox authors site
-- include: queue/item

local MAX_REJECTIONS = 20 -- of an author, whose times are kept

local function tell(id, item, entry, at) -- the site is to hear of this entry, if anybody listens
  if redis.call('HGET', SITE, 'listens') == '0' then return end
  item.undelivered = item.undelivered or {}
  table.insert(item.undelivered, entry)
  if #item.undelivered == 1 then redis.call('ZADD', OUTBOX, at, id) end
end

local function author_of(item) -- the facet of its author, if any; that of its label comes first
  return item.facets:match(' (u%S+)')
end

local function count_author(item, action, decided, step)
  local author = author_of(item)
  if not author then return end
  local known = redis.call('HGET', AUTHORS, author) or '0 0 ' .. item.since .. ' '
  local approved, rejected, first_seen, times = known:match('^(%-?%d+) (%-?%d+) (%d+) ([%d ]*)$')
  if not approved then approved, rejected, first_seen, times = 0, 0, item.since, '' end
  if action == 'approve' then
    approved = approved + step
  else -- the times of the last rejections are kept, each 13 digits and a blank
    local time = decided .. ' '
    rejected = rejected + step
    times = step > 0 and (time .. times):sub(1, 14 * MAX_REJECTIONS) or times:gsub(time, '', 1)
  end
  local counts = approved .. ' ' .. rejected .. ' ' .. first_seen .. ' ' .. times
  redis.call('HSET', AUTHORS, author, counts)
end

-- The consequences of a decision for its author; with step -1 they are taken back. An appeal that
-- is upheld changes nothing; one that is granted reverses the decision it is about.
local function weigh(id, item, step)
  local appeal = item.appeal
  if item.calibration or (appeal and appeal.action == item.action) then return end
  count_author(item, item.action, item.decided, step)
  if not appeal then return end
  count_author(item, appeal.action, appeal.decided, -step)
  local first = load(appeal.item_id)
  if not first then return end
  local undone = {}
  for _, entry in ipairs(first.undone or {}) do
    if entry ~= appeal.decision then undone[#undone + 1] = entry end
  end
  if step > 0 then undone[#undone + 1] = appeal.decision end
  first.undone = #undone > 0 and undone or nil
  if first.decision == appeal.decision then first.overturned_by = step > 0 and id or nil end
  save(appeal.item_id, first)
end
