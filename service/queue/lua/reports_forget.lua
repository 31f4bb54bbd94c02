-- Forget the reports that were answered before a time, and readers who have not reported since; some
-- at a time. One that still waits for its answer stays.
-- KEYS: reports report_words report_times reporters
-- ARGV: before limit
-- returns: { how many were looked at }
-- include: queue/forget_report

local DAY_MS = 86400000

local due = redis.call('ZRANGEBYSCORE', REPORT_TIMES, '-inf', '(' .. before, 'LIMIT', 0, limit)
for _, member in ipairs(due) do
  if not forget_member(member) then redis.call('ZADD', REPORT_TIMES, before + DAY_MS, member) end
end
return { #due }
