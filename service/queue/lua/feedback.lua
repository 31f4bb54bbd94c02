-- The verbs of feedback. The index says where in the stream the last word on a comment stands; under
-- the empty name it keeps the bytes of all of them.

local function drop(entry)
  local fields = {}
  for place = 1, #entry[2], 2 do fields[entry[2][place]] = entry[2][place + 1] end
  redis.call('XDEL', FEEDBACK, entry[1])
  if not fields.key then return end -- from before there was an index
  redis.call('HINCRBY', FEEDBACK_INDEX, '', -#fields.comment)
  if redis.call('HGET', FEEDBACK_INDEX, fields.key) == entry[1] then
    redis.call('HDEL', FEEDBACK_INDEX, fields.key)
  end
end

local function drop_known(key)
  local known = redis.call('HGET', FEEDBACK_INDEX, key)
  for _, entry in ipairs(known and redis.call('XRANGE', FEEDBACK, known, known) or {}) do
    drop(entry)
  end
end

local verbs = {}

-- Take a suggestion in, in place of an earlier one, unless it repeats what we have decided.
function verbs.add(key, word, comment, max_entries, max_bytes)
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
end

function verbs.expect(key, word, echo_ms)
  local at = now()
  redis.call('ZADD', FEEDBACK_ECHOES, at + echo_ms, key .. word)
  redis.call('ZREMRANGEBYSCORE', FEEDBACK_ECHOES, '-inf', at)
  return {}
end

-- Forget what came before a time, the oldest first.
function verbs.forget(before, limit)
  local old = redis.call('XRANGE', FEEDBACK, '-', '(' .. before, 'COUNT', limit)
  for _, entry in ipairs(old) do drop(entry) end
  return { #old }
end
