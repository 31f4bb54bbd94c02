-- Look for comments, the newest first, until so much was done: along the order in which they came, the
-- line n of those that wait, the list of a moderator's decisions (m), or over the places that are given.
-- What is found may still be something else: a signature lets pass too much, never too little.
-- KEYS: items texts arrivals lines listed decisions
-- ARGV: along given top above below work most state moderator clauses...
-- returns: { where to go on ('' once all was looked at), how many were looked at, are left, are there,
-- returns:   place, item id, record, content or false, last word ('' unless it is decided), ... }
-- include: queue/item queue/text queue/entry queue/facts queue/as_now queue/standing queue/entry_at
-- include: queue/arrival_place

local AT_ONCE = 250 -- members that are read together
-- What it costs to read a record, an entry of the stream, and a comment; a look at a member costs 1.
local A_RECORD, AN_ENTRY, A_COMMENT = 5, 15, 50
local MAX_BYTES = 262144 -- of texts in one answer
local PLACE_LENGTH = 25 -- of a time and an id
local IN_LIST = 20 -- of an entry in a list
local N_FIELDS = 5 -- of what is found
local SLOTS = { a = 28, l = 30, u = 26 } -- where a signature has its author, article and label

-- A clause is what may stand for one condition, any of it enough: each a kind and two characters, of
-- an exact value in its slot or of a word (w) anywhere behind them.
local asked = {}
for n, clause in ipairs(clauses) do
  asked[n] = {}
  for kind, print in clause:gmatch('(.)(..)') do
    asked[n][#asked[n] + 1] = { SLOTS[kind], print }
  end
end

local function has_word(member, print) -- each begins at an even place; a blank: too many to be listed
  local at = 32
  repeat
    at = member:find(print, at, true)
    if not at then return member:sub(32, 32) == ' ' end
    if at % 2 == 0 then return true end
    at = at + 1
  until false
end

local function may_be(member)
  if #member == PLACE_LENGTH then return true end -- nothing is known of its words
  for _, clause in ipairs(asked) do
    local met = false
    for _, one in ipairs(clause) do
      local slot, print = one[1], one[2]
      if slot then met = member:sub(slot, slot + 1) == print else met = has_word(member, print) end
      if met then break end
    end
    if not met then return false end
  end
  return true
end

-- Whether a record may say this, looked for in its letters, because reading it whole takes longer.
local function is_said(record, state)
  return record:find('"state":"' .. state .. '"', 1, true)
end
local function is_decided(record, action)
  return is_said(record, 'decided')
    and (record:find('"action":"' .. action .. '"', 1, true) or record:find('"overturned_by"', 1, true))
end
local MAY_BE = {
  waiting = function(record) return not is_said(record, 'decided') and not is_said(record, 'withdrawn') end,
  held = function(record) return is_said(record, 'leased') end,
  approved = function(record) return is_decided(record, 'approve') end,
  rejected = function(record) return is_decided(record, 'reject') end,
  withdrawn = function(record) return is_said(record, 'withdrawn') end,
}
local STATES = { pending = 'waiting', leased = 'held', approve = 'approved', reject = 'rejected' }
local may_be_in_state = MAY_BE[state]
local name = cjson.encode(moderator)

local n_looked, n_done, n_bytes, found = 0, 0, 0, {}

local function may_be_theirs(record)
  if record:find('"owner":' .. name, 1, true) then return true end
  for decision in record:gmatch('"decision":"(%d+%-%d+)"') do
    n_done = n_done + AN_ENTRY
    local entry = entry_of(decision)
    if entry and entry.body and entry.body:find('"moderator":' .. name, 1, true) then return true end
  end
end

local function is_theirs(item) -- who holds it, or took the decision that it has
  if item.owner then return item.owner == moderator end
  local facts = item.decision and facts_in(entry_of(item.decision))
  return facts and facts.moderator == moderator
end

local function take(id, place, decision) -- that it must have, where one is given
  n_done = n_done + A_RECORD
  local record = redis.call('HGET', ITEMS, id)
  if not record or (may_be_in_state and not may_be_in_state(record)) then return end
  if decision then
    if not record:find('"' .. decision .. '"', 1, true) then return end
  elseif moderator ~= '' and not may_be_theirs(record) then
    return
  end
  n_done = n_done + A_COMMENT
  local item = load(id)
  if not item or item.known_answer or (decision and item.decision ~= decision) then return end
  record = as_now(item, record)
  local last = standing(item)
  local action = item.state == 'decided' and last[5] or ''
  local is = STATES[action] or STATES[item.state] or item.state
  if (state ~= '' and is ~= state) or (moderator ~= '' and not is_theirs(item)) then return end
  local content = text_of(id, item)
  n_bytes = n_bytes + #record + (content and #content or 0)
  for _, one in ipairs({ place or arrival_place(id, item), id, record, content, action }) do
    found[#found + 1] = one
  end
end

local function take_decided(place) -- what the entry at this place of a list is about
  n_done = n_done + AN_ENTRY
  local decision = entry_at(place)
  local entry = entry_of(decision)
  local id = entry and entry.body and entry.body:match('"item_id":"([%w_-]+)"')
  if id then take(id, nil, decision) end
end

local most_work = tonumber(work)
local function is_over()
  return n_looked + n_done >= most_work or #found >= N_FIELDS * most or n_bytes > MAX_BYTES
end

if given ~= '' then
  local last = ''
  for place in given:gmatch('%S+') do
    n_looked, last = n_looked + 1, place
    take(place:sub(14), place)
    if is_over() then break end
  end
  return { last, n_looked, 0, 0, unpack(found) }
end

local key = along == '' and ARRIVALS or along == 'n' and LINES or LISTED
local length = along:sub(1, 1) == 'm' and IN_LIST or PLACE_LENGTH
local function bound(of) return of:sub(1, 1) .. along .. of:sub(2) end

local lowest
repeat
  local lot = redis.call('ZREVRANGEBYLEX', key, bound(above), bound(below), 'LIMIT', 0, AT_ONCE)
  for _, member in ipairs(lot) do
    local place = member:sub(#along + 1, #along + length)
    n_looked, lowest = n_looked + 1, place
    if length == IN_LIST then
      take_decided(place)
    elseif along ~= '' or may_be(member) then
      take(place:sub(14), place)
    end
    if is_over() then break end
  end
  if lowest then above = '(' .. lowest end
until #lot < AT_ONCE or is_over()
local n_left = redis.call('ZLEXCOUNT', key, bound(below), bound(above))
local n_all = redis.call('ZLEXCOUNT', key, bound(below), bound(top))
return { n_left > 0 and above:sub(2) or '', n_looked, n_left, n_all, unpack(found) }
