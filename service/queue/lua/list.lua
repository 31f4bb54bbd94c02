-- Read on in the list of what waits: the items that pass all filters, in one order, from a place on,
-- for a bounded time. Of what is nearly the same text only the first is shown, and with it how many
-- there are. With `since` only what came later is counted. It walks along a line that has the order, or
-- over the places that it is given, separated by blanks; what does not pass is stepped over.
-- KEYS: items texts lines leases retention
-- ARGV: line ordered order after since state why version reported grouped seen limit most facets...
-- returns: { place of the last one looked at, 1 where there are more, else 0, looked at, { groups seen },
-- returns:   row, ... }, where row is { 'ok', item id, record, content or false, copies } or, with
-- returns:   `since`, a 1
-- include: queue/clock queue/return_expired queue/wanted queue/text queue/walk queue/along queue/line_length

local DECODED, SHOWN = 4, 8 -- what it costs, beside stepping over one

local function members() -- ids and places of what may be wanted, in order
  if ordered ~= '' then
    local next_one = ordered:gmatch('%S+')
    return function()
      local place = next_one()
      if place then return place:sub(-ID_LENGTH), place end
    end
  end
  if order == 'urgent' then return walk(line, after) end
  return along(line, after, order == 'newest')
end

local cost, n_looked, place, more = 0, 0, after, 0
return_expired(now())
local shown_groups, groups, rows, words = {}, {}, {}, words_of(why, version)
for group in seen:gmatch('%S+') do shown_groups[group] = 'before' end
for id, here in members() do
  if #rows == tonumber(limit) or cost >= tonumber(most) then
    more = 1
    break
  end
  if since ~= '' and here:sub(1, #since) <= since then break end -- newest first: all others came earlier
  place, cost, n_looked = here, cost + 1, n_looked + 1
  local record = redis.call('HGET', ITEMS, id) or ''
  if record ~= '' and may_be_wanted(record, facets, words) then
    local group = grouped == '1' and facets_text(record) or ''
    group = group:match('"(g[^"]+)"')
    if group and shown_groups[group] then
      if shown_groups[group] == 'before' then groups[#groups + 1] = group end
      shown_groups[group] = 'now'
    else
      cost = cost + DECODED
      local item = load(id)
      local plain = why == '' and version == '' and reported == '' and #facets == 0
      if item and is_wanted(item, state, why, version, reported) or not item and plain then
        local copies = group and line_length(group) or 0
        if copies > 1 then
          shown_groups[group] = 'now'
          groups[#groups + 1] = group
        end
        if since ~= '' then
          rows[#rows + 1] = 1
        else
          cost = cost + SHOWN
          rows[#rows + 1] = { 'ok', id, record, item and text_of(id, item) or false, copies }
        end
      end
    end
  end
end
return { place, more, n_looked, groups, unpack(rows) }
