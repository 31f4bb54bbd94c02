-- Note in the decision stream that the store has lost what it was given since a time. The entry, and
-- all that follow it, have ids that nothing of what was lost can have had, as far as `least` says.
-- KEYS: decisions
-- ARGV: entry least
-- returns: { id of the entry }
-- include: queue/clock queue/append queue/last_id

local noted = cjson.decode(entry)
noted.decided_at = now()
local last = tonumber(last_id():match('^%d+'))
local id = string.format('%.0f-0', math.max(noted.decided_at, tonumber(least), last + 1))
return { (append(id, noted)) }
