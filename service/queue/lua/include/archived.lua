-- What of the decision stream is in an archive and no longer here.
-- KEYS: site

local function archived() -- the last entry (0-0 where there is none), its digest, and how many there are
  return (redis.call('HGET', SITE, 'archived') or '0-0 - 0'):match('^(%S+) (%S+) (%d+)$')
end
