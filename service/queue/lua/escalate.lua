-- Leave an item to the seniors, with a note.
-- KEYS: items texts lines leases retention
-- ARGV: id token note
-- returns: { 'ok' }
-- returns: { 'missing' | 'unreadable' | 'decided' | 'expired' | 'edited' | 'withdrawn' }
-- include: queue/clock queue/item queue/token queue/text queue/line queue/line_up

local item, record = load(id)
local lost = why_lost(item, record, token, now())
if lost then return { lost } end
local content = note ~= '' and decoded(text_of(id, item))
if content and is_finite(content) then -- the note lies with the comment, and goes when it goes
  content.note = note
  redis.call('HSET', TEXTS, id .. ':' .. item.version, cjson.encode(content))
end
take_out(id, item)
item.escalated = true
line_up(id, item)
return { 'ok' }
