-- Offer a moderator again what they skipped: one item, or all with an empty id.
-- KEYS: barred
-- ARGV: moderator id
-- returns: { how many }
-- include: queue/clock queue/put_off

local n_taken_back = 0
for _, skipped in ipairs(put_off_by(moderator, now())) do
  if id == '' or id == skipped then
    n_taken_back = n_taken_back + redis.call('ZREM', BARRED, skipped .. moderator)
  end
end
return { n_taken_back }
