-- Confirm a doubtful decision: it is not listed again.
-- KEYS: doubts
-- ARGV: decision
-- returns: { 1, or 0 where it is not listed }

if redis.call('HEXISTS', DOUBTS, decision) == 0 then return { 0 } end
redis.call('HSET', DOUBTS, decision, 'stands')
return { 1 }
