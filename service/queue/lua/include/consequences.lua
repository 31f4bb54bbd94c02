-- What follows from a decision for the author.
-- KEYS: authors
-- include: queue/item queue/save queue/facet

local MAX_REJECTIONS = 20 -- of an author, whose times are kept

local function count_author(item, action, decided, step)
  local author = facet_of(item, 'u')
  if not author or item.verdict.reason == 'article_closed' then return end -- nobody's fault
  local counts = decoded(redis.call('HGET', AUTHORS, author))
  if not counts or not is_finite(counts) then counts = { format = FORMAT, first_seen = item.since } end
  local name = action == 'approve' and 'n_approved' or 'n_rejected'
  counts[name] = (tonumber(counts[name]) or 0) + step
  if action == 'reject' then -- the times of the last ones are kept, newest first
    local times = type(counts.rejected_at) == 'table' and counts.rejected_at or {}
    if step > 0 then
      table.insert(times, 1, decided)
      times[MAX_REJECTIONS + 1] = nil
    else
      for place, time in ipairs(times) do
        if time == decided then
          table.remove(times, place)
          break
        end
      end
    end
    counts.rejected_at = #times > 0 and times or nil
  end
  redis.call('HSET', AUTHORS, author, cjson.encode(counts))
end

-- The consequences of a decision for its author; with step -1 they are taken back. An appeal that
-- is upheld changes nothing; one that is granted reverses the decision it is about.
local function weigh(id, item, step)
  local appeal = item.appeal
  if item.known_answer or (appeal and appeal.action == item.action) then return end
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
