-- Offer a moderator again what they skipped: one item, which is undone thereby, or all with an empty id.
-- KEYS: barred shifts
-- ARGV: moderator id skip_ms
-- returns: { how many }
-- include: queue/clock queue/put_off queue/shifts

local n_taken_back = 0
for _, skipped in ipairs(put_off_by(moderator, now())) do
  if id == skipped then
    count_work(redis.call('ZSCORE', BARRED, skipped .. moderator) - skip_ms, moderator, 'skip', -1)
  end
  if id == '' or id == skipped then
    n_taken_back = n_taken_back + redis.call('ZREM', BARRED, skipped .. moderator)
  end
end
return { n_taken_back }
