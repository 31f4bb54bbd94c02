-- Read model: the entries of the decision stream about each comment, author and article, and those of
-- each moderator. A member is a facet and the place of an entry, so that a list is in lexical order.
-- include: queue/comment_of queue/place_of_entry

local OF_COMMENTS = { -- all but what is said of authors
  decision = true, undo = true, opinion = true, known_answer = true, withdrawal = true, erasure = true,
  report = true,
}
local OF_ALL = { decision = true, undo = true } -- what authors and articles show
local OF_MODERATORS = { decision = true, undo = true, opinion = true, known_answer = true }

local function facet_of_moderator(name) return 'm' .. redis.sha1hex(name):sub(1, 12) end

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
