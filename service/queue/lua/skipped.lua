-- Count what waits and is not offered to a moderator who skipped it.
-- KEYS: items barred
-- ARGV: moderator facet
-- returns: { how many }
-- include: queue/clock queue/item queue/facet queue/put_off

local n_waiting = 0
for _, id in ipairs(put_off_by(moderator, now())) do
  local item = load(id)
  local wanted = item and (facet == '' or facet_of(item, facet:sub(1, 1)) == facet)
  if wanted and item.state == 'pending' and not item.escalated then n_waiting = n_waiting + 1 end
end
return { n_waiting }
