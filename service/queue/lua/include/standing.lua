-- Where a comment stands.
-- include: queue/item

-- What is known of a comment: version, state and, once it is decided, the last word on it. What was
-- published stays so while it waits because readers have reported it.
local function standing(item)
  local before = item.reported and item.reported.published and (item.reported.standing or {})
  if before then return { 0, item.version, 'published', before.decision, before.action, before.decided } end
  local last = item.state == 'decided' and item
  while last and last.overturned_by do last = load(last.overturned_by) end
  if not last then return { 0, item.version, item.state } end
  return { 0, item.version, item.state, last.decision, last.action, last.decided }
end
