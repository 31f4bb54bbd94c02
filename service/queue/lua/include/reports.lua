-- Readers' reports about a comment.
-- KEYS: reports reporters
-- include: queue/record queue/finite

local function report_by(report) return decoded(redis.call('HGET', REPORTS, report)) end

local function reports_of(id) -- ids of those that are kept about an item, the oldest first
  return (redis.call('HGET', REPORTS, 'i' .. id) or ''):gmatch('%S+')
end

local function reporter_by(name) -- what is known of who reported
  local known = name ~= '' and decoded(redis.call('HGET', REPORTERS, name))
  local sound = known and type(known.right) == 'number' and type(known.wrong) == 'number' and is_finite(known)
  return sound and known or { format = FORMAT, right = 0, wrong = 0 }
end
