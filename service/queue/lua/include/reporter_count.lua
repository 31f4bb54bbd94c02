-- How often readers were right who reported.
-- KEYS: reporters
-- include: queue/reporter

local function count_reporter(facts, step) -- whether a report was right says who decides about the comment
  local word = facts.counted and ({ removed = 'right', kept = 'wrong' })[facts.outcome]
  if not word or (facts.reporter or '') == '' then return end
  local reader = reporter_by(facts.reporter)
  reader[word] = math.max(0, reader[word] + step)
  redis.call('HSET', REPORTERS, facts.reporter, cjson.encode(reader))
end
