-- The fencing token of a lease.

local function why_lost(item, record, token, at) -- false while the token gives the right to decide
  if not item then return record and 'unreadable' or 'missing' end
  if item.token ~= tonumber(token) or item.state ~= 'leased' then
    return (item.state == 'decided' and 'decided') or item.void or 'expired'
  end
  return item.expires <= at and 'expired'
end
