-- Leave an item to the seniors, with a note.
-- KEYS: items texts lines leases retention shifts
-- ARGV: id token note
-- returns: { 'ok' }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/item queue/token queue/text queue/line queue/line_up
-- include: queue/shifts

local MAX_LEFT = 5 -- times that are kept

local at, item, record = now(), load(id)
local lost = why_lost(item, record, token, at)
if lost then return { lost } end
count_work(at, item.owner, 'escalate', 1)
local content = note ~= '' and decoded(text_of(id, item))
if content and is_finite(content) then -- the note lies with the comment, and goes when it goes
  content.note = note
  redis.call('HSET', TEXTS, id .. ':' .. item.version, cjson.encode(content))
end
item.left = item.left or {}
table.insert(item.left, { moderator = item.owner, at = at })
if #item.left > MAX_LEFT then table.remove(item.left, 1) end
take_out(id, item)
item.escalated = true
line_up(id, item)
return { 'ok' }
