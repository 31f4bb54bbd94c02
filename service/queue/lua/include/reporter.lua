-- What is known of who reports.
-- KEYS: reporters
-- include: queue/record queue/finite

local function reporter_by(name) -- what is known of who reported
  local known = name ~= '' and decoded(redis.call('HGET', REPORTERS, name))
  local sound = known and type(known.right) == 'number' and type(known.wrong) == 'number' and is_finite(known)
  return sound and known or { format = FORMAT, right = 0, wrong = 0 }
end
