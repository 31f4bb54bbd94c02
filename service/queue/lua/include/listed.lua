-- Read model: the entries of the decision stream about each comment, author and article, and those of
-- each moderator. A member is a facet and the place of an entry, so that a list is in lexical order.
-- KEYS: listed
-- include: queue/item

local OF_COMMENTS = { -- all but what is said of authors
  decision = true, undo = true, opinion = true, known_answer = true, withdrawal = true, erasure = true,
  report = true,
}
local OF_ALL = { decision = true, undo = true } -- what authors and articles show
local OF_MODERATORS = { decision = true, undo = true, opinion = true, known_answer = true }

local function place_of_entry(entry) -- the same length for all entries: ids sort as numbers then
  return string.format('%013.0f-%06.0f', entry:match('^(%d+)-(%d+)$'))
end

local function entry_at(place)
  return string.format('%.0f-%.0f', place:match('^(%d+)-(%d+)$'))
end

local function facet_of_moderator(name) return 'm' .. redis.sha1hex(name):sub(1, 12) end

local function comment_of(id, item) -- the item of the comment that an appeal is about, in the end
  while item and item.appeal do
    id = item.appeal.item_id
    item = load(id)
  end
  return id, item
end

-- The members of an entry that says `facts` about an item, which may be gone.
local function members_of(id, item, entry, facts)
  local place, own = place_of_entry(entry), comment_of(id, item)
  local found = item and OF_COMMENTS[facts.kind] and { 'i' .. own .. place } or {}
  local moderator = facts.moderator
  if OF_MODERATORS[facts.kind] and type(moderator) == 'string' and moderator ~= '' then
    found[#found + 1] = facet_of_moderator(moderator) .. place
  end
  if not item or not OF_ALL[facts.kind] or facts.expected then return found end
  for _, facet in ipairs(item.facets) do
    if facet:find('^[ua]') then found[#found + 1] = facet .. place end
  end
  return found
end

local function list(members)
  local scored = {}
  for place, member in ipairs(members) do scored[2 * place - 1], scored[2 * place] = 0, member end
  if #members > 0 then redis.call('ZADD', LISTED, unpack(scored)) end
end
