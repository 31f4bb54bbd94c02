-- Look back along the decision stream, or along a list of it, for entries that hold some words. Each of
-- `wanted` are such words in JSON, of which one is enough where a | stands between them.
-- KEYS: items texts decisions listed
-- ARGV: facet before n_looked limit wanted...
-- returns: { id of the last one looked at, or '' at the end, how many were, entry (see queue/view), ... }
-- include: queue/entry queue/view queue/entry_at queue/place_of_entry

local alternatives = {}
for place, words in ipairs(wanted) do
  alternatives[place] = {}
  for one in words:gmatch('[^|]+') do table.insert(alternatives[place], one) end
end

local function holds_one(body, words)
  for _, one in ipairs(words) do
    if body:find(one, 1, true) then return true end
  end
  return false
end

local function fits(entry)
  for _, words in ipairs(alternatives) do
    if not entry.body or not holds_one(entry.body, words) then return false end
  end
  return true
end

local found
if facet == '' then
  local newest = before == '' and '+' or '(' .. before
  found = redis.call('XREVRANGE', DECISIONS, newest, '-', 'COUNT', n_looked)
else
  local newest = '(' .. facet .. (before == '' and ':' or place_of_entry(before))
  found = redis.call('ZREVRANGEBYLEX', LISTED, newest, '[' .. facet, 'LIMIT', 0, n_looked)
end
local answer = { '', 0 }
for _, one in ipairs(found) do
  local id = facet == '' and one[1] or entry_at(one:sub(#facet + 1))
  local entry = facet == '' and by_name(one) or entry_of(id)
  answer[1], answer[2] = id, answer[2] + 1
  if entry and fits(entry) then answer[#answer + 1] = view(entry) end
  if #answer - 2 == tonumber(limit) then return answer end
end
if #found < tonumber(n_looked) then answer[1] = '' end
return answer
