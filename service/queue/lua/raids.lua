-- List the raids that go on, or were over a short while ago.
-- KEYS: raids
-- ARGV:
-- returns: { JSON, ... }
-- include: queue/clock queue/raids

local answer = {}
for _, raid in pairs((current_raids(now()))) do answer[#answer + 1] = cjson.encode(raid) end
return answer
