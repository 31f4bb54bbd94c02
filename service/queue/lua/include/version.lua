-- Where a comment stands, and its next version.
-- include: queue/item

-- The item of a comment, or of its next version, from the record that comes with the comment.
local function next_version(item, record, at)
  local fresh = usually(cjson.decode(record))
  fresh.state, fresh.since, fresh.due = 'new', at, at
  if item then
    fresh.version, fresh.token, fresh.void = item.version + 1, item.token, 'edited'
    for _, kept in ipairs({ 'undelivered', 'attempts', 'dead', 'undone' }) do
      fresh[kept] = item[kept]
    end
  end
  return fresh
end

-- What is known of a comment: version, state and, once it is decided, the last word on it.
local function standing(item)
  local last = item.state == 'decided' and item
  while last and last.overturned_by do last = load(last.overturned_by) end
  if not last then return { 0, item.version, item.state } end
  return { 0, item.version, item.state, last.decision, last.action, last.decided }
end
