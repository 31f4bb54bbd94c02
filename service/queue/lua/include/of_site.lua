-- What the scripts know of a site's settings, read once.
-- KEYS: site

local site_settings

local function of_site(name) -- listens or strikes; false where it is not stored
  if not site_settings then
    local found = redis.call('HMGET', SITE, 'listens', 'strikes')
    site_settings = { listens = found[1], strikes = found[2] }
  end
  return site_settings[name]
end
