-- Whether an item is among those that a list asks for.
-- include: queue/places

local function why_of(item) -- it waits, as ReviewItem.why says it
  if item.escalated then return 'escalated' end
  if item.appeal then return 'appeal' end
  if item.reported and item.reported.brought then return 'reported' end
  return item.verdict.reason or 'score'
end

-- What the text of a record must hold for the item to have this reason and version. To look for it
-- takes a small part of the time in which a record is decoded.
local function words_of(why, version)
  local words = {}
  if why ~= '' and why ~= 'score' then words[1] = why == 'reported' and '"brought"' or '"' .. why .. '"' end
  if version ~= '' and not version:find('[^%w._-]') then words[#words + 1] = '"' .. version .. '"' end
  return words
end

local function facets_text(record) -- as it stands in the text of a record
  local from = record:find('"facets":', 1, true)
  return from and record:sub(from, record:find(']', from, true)) or ''
end

-- What does not pass is not wanted; what passes may still be another item.
local function may_be_wanted(record, facets, words)
  for _, word in ipairs(words) do
    if not record:find(word, 1, true) then return false end
  end
  if #facets == 0 then return true end
  local own = facets_text(record)
  for _, facet in ipairs(facets) do
    if not own:find('"' .. facet .. '"', 1, true) then return false end
  end
  return true
end

-- Where `state` is pending, leased, escalated or troubled, and `why`, `version` and `reported` say
-- nothing when they are empty.
local function is_wanted(item, state, why, version, reported)
  if item.state ~= (state == 'leased' and 'leased' or 'pending') then return false end
  if state ~= 'leased' and (item.escalated or false) ~= (state == 'escalated') then return false end
  if state == 'troubled' and item.abandoned < TROUBLED_AFTER then return false end
  if why ~= '' and why_of(item) ~= why then return false end
  if version ~= '' and item.verdict.model_version ~= version then return false end
  local n_reports = item.reported and item.reported.n or 0
  return reported == '' or (reported == '1') == (n_reports > 0)
end
