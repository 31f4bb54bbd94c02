-- List the reports about an item that wait for an answer, the latest first.
-- KEYS: reports report_words reporters
-- ARGV: id limit
-- returns: { { id, record, explanation or false, right, wrong }, ... } of who reported
-- include: queue/reports queue/report_record queue/reporter

local found, shown = {}, {}
for report in reports_of(id) do table.insert(found, 1, report) end
for _, report in ipairs(found) do
  local facts = report_by(report)
  if facts and not facts.outcome and #shown < tonumber(limit) then
    local reader = reporter_by(facts.reporter or '')
    local words = redis.call('HGET', REPORT_WORDS, report)
    shown[#shown + 1] = { report, cjson.encode(facts), words, reader.right, reader.wrong }
  end
end
return shown
