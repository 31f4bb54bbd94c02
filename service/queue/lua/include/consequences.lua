-- What follows from a decision for the author: how many were approved and rejected, in all and by week,
-- when the last rejections were, and how many approvals came in a row before each of them and since.
-- KEYS: authors
-- include: queue/item queue/save queue/facet

local MAX_REJECTIONS = 20 -- of an author, whose times are kept
local MAX_WEEKS = 13 -- of an author, a quarter of a year
local DAYS_FROM_SUNDAY = 4 -- to 1 January 1970

-- Approvals since the last rejection; nobody counted them in a record of before.
local function in_a_row(counts)
  local n_rejected = tonumber(counts.n_rejected) or 0
  return tonumber(counts.in_a_row) or (n_rejected == 0 and tonumber(counts.n_approved)) or 0
end

-- Count an approval in the row that it is part of: the present one, or one that a rejection ended.
local function count_in_row(counts, times, rows, decided, step)
  local place = 0
  while times[place + 1] and times[place + 1] >= decided do place = place + 1 end
  if place == 0 then
    counts.in_a_row = math.max(0, counts.in_a_row + step)
  elseif rows[place] then
    rows[place] = math.max(0, rows[place] + step)
  end
end

-- Count a decision in its week, of which each has three numbers: its own, approved and rejected; the
-- newest first.
local function count_in_week(weeks, action, decided, step)
  local week, place = math.floor((math.floor(decided / 86400000) + DAYS_FROM_SUNDAY) / 7), 1
  while weeks[place] and weeks[place] > week do place = place + 3 end
  if weeks[place] ~= week then
    if step < 0 or place > 3 * MAX_WEEKS then return end
    for _, number in ipairs({ 0, 0, week }) do table.insert(weeks, place, number) end
    for last = #weeks, 3 * MAX_WEEKS + 1, -1 do weeks[last] = nil end
  end
  local counted = place + (action == 'approve' and 1 or 2)
  weeks[counted] = math.max(0, weeks[counted] + step)
end

local function weeks_of(counts) -- none where they cannot be counted on
  local weeks = type(counts.weeks) == 'table' and counts.weeks or {}
  for _, number in ipairs(weeks) do
    if type(number) ~= 'number' then return {} end
  end
  return #weeks % 3 == 0 and weeks or {}
end

local function count_author(item, action, decided, step)
  local author = facet_of(item, 'u')
  if not author or item.verdict.reason == 'article_closed' then return end -- nobody's fault
  local counts = decoded(redis.call('HGET', AUTHORS, author))
  if not counts or not is_finite(counts) then counts = { format = FORMAT, first_seen = item.since } end
  local times = type(counts.rejected_at) == 'table' and counts.rejected_at or {}
  local rows = type(counts.rows) == 'table' and counts.rows or {}
  local weeks = weeks_of(counts)
  count_in_week(weeks, action, decided, step)
  counts.weeks = #weeks > 0 and weeks or nil
  counts.first_seen = counts.first_seen or item.since
  counts.in_a_row = in_a_row(counts)
  local name = action == 'approve' and 'n_approved' or 'n_rejected'
  counts[name] = (tonumber(counts[name]) or 0) + step
  if action == 'approve' then
    count_in_row(counts, times, rows, decided, step)
  elseif step > 0 then
    table.insert(times, 1, decided)
    table.insert(rows, 1, counts.in_a_row)
    counts.in_a_row, times[MAX_REJECTIONS + 1], rows[MAX_REJECTIONS + 1] = 0, nil, nil
  else
    for place, time in ipairs(times) do
      if time == decided then
        table.remove(times, place)
        local ended = table.remove(rows, place) or 0
        if place == 1 then
          counts.in_a_row = counts.in_a_row + ended
        elseif rows[place - 1] then
          rows[place - 1] = rows[place - 1] + ended
        end
        break
      end
    end
  end
  counts.rejected_at = #times > 0 and times or nil
  counts.rows = #rows > 0 and rows or nil
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
