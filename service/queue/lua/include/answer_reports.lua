-- Answering the reports about a comment.
-- KEYS: reports report_times
-- include: queue/stream queue/tell queue/reports queue/report_record queue/report_answer
-- include: queue/reporter_count

local function answer_reports(id, item, at, outcome, decision, draft) -- the site is told of all at once
  if not item.reported then return end
  item.reported = nil
  local answered, said = {}, cjson.decode(draft)
  for report in reports_of(id) do
    local facts = report_by(report)
    if facts and not facts.outcome then
      note_answer(facts, outcome, decision, at, said)
      facts.counted = true
      redis.call('HSET', REPORTS, report, cjson.encode(facts))
      redis.call('ZADD', REPORT_TIMES, at, report)
      count_reporter(facts, 1)
      answered[#answered + 1] = report
    end
  end
  item.answered = decision
  if #answered == 0 then return end
  local entry = tell_stream('report', id, item, at, draft, { reports = answered, answered_by = decision })
  tell(id, item, entry, at)
end
