-- Taking a comment in.
-- KEYS: texts
-- include: queue/version queue/opinions queue/forget_version queue/line queue/forget_arrival queue/note_arrival

-- The same with its text, or false when nothing is new. The version before gives up its place in
-- the line.
local function admit(id, slack, record, content, at, signature)
  local item = load(id)
  local fresh = next_version(item, record, at)
  if item and item.digest == fresh.digest and item.state ~= 'withdrawn' then
    return false, item
  end
  local open = item and waits(item)
  if open then -- keeps its place, and the reports about it, which no edit may make go away
    fresh.since, fresh.abandoned, fresh.reported = item.since, item.abandoned, item.reported
    fresh.edited = at
    if fresh.reported then fresh.reported.standing, fresh.reported.published = nil, nil end
  end
  fresh.due = fresh.since + slack
  redis.call('HSET', TEXTS, id .. ':' .. fresh.version, content)
  if open then
    take_out(id, item)
    forget_opinions(id, item)
    forget_version(id, item.version, item.token)
  end
  if item then forget_arrival(id, item) end
  note_arrival(id, fresh, signature)
  return fresh
end
