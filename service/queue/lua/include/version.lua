-- The next version of a comment.
-- include: queue/item

-- The item of a comment, or of its next version, from the record that comes with the comment.
local function next_version(item, record, at)
  local fresh = setmetatable(cjson.decode(record), USUALLY)
  fresh.state, fresh.since, fresh.due = 'new', at, at
  if item then
    fresh.version, fresh.token, fresh.void = item.version + 1, item.token, 'edited'
    for _, kept in ipairs({ 'undelivered', 'attempts', 'dead', 'undone', 'told', 'left' }) do
      fresh[kept] = item[kept]
    end
  end
  return fresh
end
