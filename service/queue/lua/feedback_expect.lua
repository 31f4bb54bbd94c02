-- Note that the site's system will send back what was decided here.
-- KEYS: feedback_echoes
-- ARGV: key word echo_ms
-- returns: {}
-- include: queue/clock

local at = now()
redis.call('ZADD', FEEDBACK_ECHOES, at + echo_ms, key .. word)
redis.call('ZREMRANGEBYSCORE', FEEDBACK_ECHOES, '-inf', at)
return {}
