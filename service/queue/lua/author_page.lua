-- Return what is known of an author: what was decided, what moderators note, how many comments wait, and
-- the last news for the site, each with whether it was told: told, waits, dead, or nobody listened.
-- KEYS: items texts lines decisions authors dead
-- ARGV: author
-- returns: { record or false, notes or false, how many wait or are held, { state, entry }, ... }, each entry
-- as queue/view gives it
-- include: queue/record queue/item queue/entry queue/view queue/was_told queue/line_length

local function includes(entries, wanted)
  for _, entry in ipairs(entries or {}) do
    if entry == wanted then return true end
  end
end

local function state_of(item, entry)
  if was_told(item, entry) then return 'told' end
  if includes(item.undelivered, entry) then return 'waits' end
  return redis.call('ZSCORE', DEAD, entry) and 'dead' or 'unheard'
end

local record = redis.call('HGET', AUTHORS, author)
local counts = decoded(record)
local item = counts and type(counts.item) == 'string' and load(counts.item)
local answer = { record, redis.call('HGET', TEXTS, author), line_length(author) }
for _, entry in ipairs(item and item.news or {}) do
  local found = entry_of(entry)
  if found then answer[#answer + 1] = { state_of(item, entry), view(found) } end
end
return answer
