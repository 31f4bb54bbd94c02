-- Take a suggestion in, in place of an earlier one, unless it repeats what we have decided.
-- KEYS: feedback feedback_index feedback_echoes
-- ARGV: key word comment max_entries max_bytes
-- returns: { 1, or 0 where it only repeats what we have decided }
-- include: queue/clock queue/feedback

local function drop_known(key) -- what was known of a comment before
  local known = redis.call('HGET', FEEDBACK_INDEX, key)
  for _, entry in ipairs(known and redis.call('XRANGE', FEEDBACK, known, known) or {}) do
    drop(entry)
  end
end

local echo = redis.call('ZSCORE', FEEDBACK_ECHOES, key .. word)
if echo and tonumber(echo) > now() then
  drop_known(key)
  return { 0 }
end
local entry = redis.call('XADD', FEEDBACK, '*', 'comment', comment, 'key', key)
drop_known(key)
redis.call('HSET', FEEDBACK_INDEX, key, entry)
redis.call('HINCRBY', FEEDBACK_INDEX, '', #comment)
for _, oldest in ipairs(redis.call('XRANGE', FEEDBACK, '-', '+', 'COUNT', 100)) do
  local n_bytes = tonumber(redis.call('HGET', FEEDBACK_INDEX, ''))
  local fits = redis.call('XLEN', FEEDBACK) <= tonumber(max_entries)
  if fits and n_bytes <= tonumber(max_bytes) then break end
  drop(oldest)
end
return { 1 }
