-- A decision that Redis has forgotten and an export still knows.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: id record content signature action decision decided
-- returns: { 1 where the decision was new, else 0 }
-- include: queue/admit queue/close

local at, item = tonumber(decided), load(id)
local waiting = item and waits(item)
if waiting and item.digest ~= cjson.decode(record).digest then return { 0 } end
if item and not waiting and (item.decided or 0) >= at then return { 0 } end
if not waiting then
  item = admit(id, 0, record, content, at, signature)
  if not item then return { 0 } end
end
close(id, item, at, '', action, decision, '', { restored = true }, true)
return { 1 }
