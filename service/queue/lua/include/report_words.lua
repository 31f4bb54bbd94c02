-- What readers wrote with their reports.
-- KEYS: report_words

local function forget_words(report) -- the explanation, and where to reach who wrote it
  redis.call('HDEL', REPORT_WORDS, report, report .. ':contact')
end
