-- Taking back the answer to the reports about a comment.
-- KEYS: reports
-- include: queue/reports queue/report_record queue/reporter queue/report_answer queue/reporter_count
-- include: queue/report_weight

local function ask_again(id, item, decision) -- the reports that a decision answered wait again
  item.answered = nil
  for report in reports_of(id) do
    local facts = report_by(report)
    if facts and facts.outcome and facts.decision == decision then
      count_reporter(facts, -1)
      note_answer(facts)
      facts.counted = nil
      redis.call('HSET', REPORTS, report, cjson.encode(facts))
      add_report(item, facts, reporter_by(facts.reporter or ''))
    end
  end
end
