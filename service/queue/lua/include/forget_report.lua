-- Forgetting reports.
-- KEYS: reports report_times reporters
-- include: queue/record queue/report_words

local function forget_report(report, facts)
  forget_words(report)
  redis.call('HDEL', REPORTS, report)
  redis.call('ZREM', REPORT_TIMES, report)
  local field, left = facts and 'i' .. tostring(facts.item), {}
  for other in (field and redis.call('HGET', REPORTS, field) or ''):gmatch('%S+') do
    if other ~= report then left[#left + 1] = other end
  end
  if #left > 0 then
    redis.call('HSET', REPORTS, field, table.concat(left, ' '))
  elseif field then
    redis.call('HDEL', REPORTS, field)
  end
end

-- Forgets one member of the times: an answered report, or what is known of a reader. One that waits
-- for its answer stays.
local function forget_member(member)
  local reader = member:match('^u(.+)$')
  if reader and #reader == 16 then
    redis.call('HDEL', REPORTERS, reader)
    redis.call('ZREM', REPORT_TIMES, member)
    return true
  end
  local facts = decoded(redis.call('HGET', REPORTS, member))
  if facts and not facts.outcome then return false end
  forget_report(member, facts)
  return true
end
