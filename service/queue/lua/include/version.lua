-- The next version of a comment.
-- include: queue/item

-- Whether a digest given now is the one that is known; older versions kept its first 12 characters.
local function same(known, given) return given:sub(1, #known) == known end

-- The record of a comment, or of its next version. `facts` are the record from the digest on.
local function next_version(item, facts, at)
  local fresh = parsed('new 1 0 0 ' .. at .. ' ' .. at .. ' ' .. facts)
  if item then
    fresh.version, fresh.token, fresh.void = item.version + 1, item.token, 'edited'
    for _, kept in ipairs({ 'undelivered', 'attempts', 'dead', 'undone' }) do
      fresh[kept] = item[kept]
    end
  end
  return fresh
end
