-- Return a report.
-- KEYS: reports
-- ARGV: report
-- returns: { record or false }

return { redis.call('HGET', REPORTS, report) }
