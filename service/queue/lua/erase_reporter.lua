-- Forget what a reader wrote in reports and that they were theirs, a page of the reports at a time.
-- KEYS: reports report_words report_times reporters
-- ARGV: cursor reporter
-- returns: { next cursor, how many }
-- include: queue/record queue/report_words

local page, n_found = redis.call('HSCAN', REPORTS, cursor, 'COUNT', 200), 0
for place = 1, #page[2], 2 do
  local report, facts = page[2][place], decoded(page[2][place + 1])
  if facts and facts.reporter == reporter then
    facts.reporter = ''
    redis.call('HSET', REPORTS, report, cjson.encode(facts))
    forget_words(report)
    n_found = n_found + 1
  end
end
redis.call('HDEL', REPORTERS, reporter)
redis.call('ZREM', REPORT_TIMES, 'u' .. reporter)
return { page[1], n_found }
