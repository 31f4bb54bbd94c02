-- The record of a reader's report.
-- KEYS: reports
-- include: queue/record

local function report_by(report) return decoded(redis.call('HGET', REPORTS, report)) end
