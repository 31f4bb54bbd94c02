-- Change fields of what is kept of a site, with an entry in its trail, if none changed meanwhile.
-- KEYS: site trail
-- ARGV: entry kept revises n_known fields...
-- returns: { 'ok', id of the entry }
-- returns: { 'changed' }                where a field is not what it was known to be

-- First n_known fields with what they were known to be, then fields with what they are to be; an
-- empty value is none.
for i = 1, 2 * n_known, 2 do
  if (redis.call('HGET', SITE, fields[i]) or '') ~= fields[i + 1] then return { 'changed' } end
end
local id = redis.call('XADD', TRAIL, 'MAXLEN', '~', kept, '*', 'body', entry)
for i = 2 * n_known + 1, #fields, 2 do
  if fields[i + 1] == '' then
    redis.call('HDEL', SITE, fields[i])
  else
    redis.call('HSET', SITE, fields[i], fields[i + 1])
  end
end
if revises == '1' then redis.call('HSET', SITE, 'revision', id) end
return { 'ok', id }
