-- Groups of texts that are nearly the same, within a sliding day.
-- KEYS: groups bands grouped
-- include: queue/window

local COPIES_MS = 86400000
local MAX_GROUPS = 20000 -- some 10 MB, of a site with a million comments a day
local N_BANDS, BAND_DIGITS, PART_DIGITS, SKETCH_DIGITS = 6, 8, 4, 48 -- of a sketch, in hexadecimal
local ALIKE, THE_SAME = 6, 10 -- of its 12 parts
local N_KEPT, ID_DIGITS = 16, 6 -- of the comments that came last, by which one sent again is known

local N_SKETCHES = 8 -- of a group, so that changes of what was changed before are still found

local function bands_of(sketch)
  local found = {}
  for band = 1, N_BANDS do
    found[band] = band .. sketch:sub((band - 1) * BAND_DIGITS + 1, band * BAND_DIGITS)
  end
  return found
end

local function read_group(record) -- sketches, window, counts, last comments
  local sketches, window, count, before, last =
    (record or ''):match('^(%x+) (%d+) (%d+) (%d+) (%S*)$')
  return sketches, tonumber(window), tonumber(count), tonumber(before), last
end

local function likeness(one, other) -- how many of their parts are the same
  local n_alike = 0
  for place = 1, SKETCH_DIGITS, PART_DIGITS do
    local last = place + PART_DIGITS - 1
    if one:sub(place, last) == other:sub(place, last) then n_alike = n_alike + 1 end
  end
  return n_alike
end

local function nearest(sketches, sketch) -- how like it the nearest of the sketches of a group is
  local most = 0
  for place = 1, #sketches, SKETCH_DIGITS do
    most = math.max(most, likeness(sketches:sub(place, place + SKETCH_DIGITS - 1), sketch))
  end
  return most
end

local function forget_group(group)
  local sketches = read_group(redis.call('HGET', GROUPS, group)) or ''
  redis.call('HDEL', GROUPS, group)
  for place = 1, #sketches, SKETCH_DIGITS do
    for _, band in ipairs(bands_of(sketches:sub(place, place + SKETCH_DIGITS - 1))) do
      if redis.call('HGET', BANDS, band) == group then redis.call('HDEL', BANDS, band) end
    end
  end
end

-- The group of a text, and its record; without one it is `letters`, the first of a new group.
local function find_group(letters, sketch)
  local record = redis.call('HGET', GROUPS, letters)
  if read_group(record) then return letters, record end
  for _, group in ipairs(redis.call('HMGET', BANDS, unpack(bands_of(sketch)))) do
    record = group and redis.call('HGET', GROUPS, group)
    local sketches = read_group(record)
    if sketches and nearest(sketches, sketch) >= ALIKE then return group, record end
  end
  return letters, ''
end

local function add_sketch(group, sketches, sketch) -- where it is new to the group, and there is room
  local full = #sketches >= N_SKETCHES * SKETCH_DIGITS
  if full or nearest(sketches, sketch) >= THE_SAME then return sketches end
  local fields = {}
  for _, band in ipairs(bands_of(sketch)) do
    fields[#fields + 1], fields[#fields + 2] = band, group
  end
  redis.call('HSET', BANDS, unpack(fields))
  return sketches .. sketch
end

local function n_since(last, comment) -- how many came since this comment did, where that is known
  for place = 1, #last, ID_DIGITS do
    if last:sub(place, place + ID_DIGITS - 1) == comment then return (place - 1) / ID_DIGITS end
  end
end

-- The id of its group, how many copies came up to it, and whether it is a comment sent again.
local function join_group(letters, sketch, comment, at)
  local group, record = find_group(letters, sketch)
  local sketches, window, count, before, last = read_group(record)
  sketches = add_sketch(group, sketches or '', sketch)
  last = last or ''
  local since = n_since(last, comment)
  local again = since ~= nil
  if not again then last = (comment .. last):sub(1, N_KEPT * ID_DIGITS) end
  local n
  window, count, before, n =
    in_window(window or 0, count or 0, before or 0, again and 0 or 1, at, COPIES_MS)
  record = sketches .. ' ' .. window .. ' ' .. count .. ' ' .. before .. ' ' .. last
  redis.call('HSET', GROUPS, group, record)
  redis.call('ZADD', GROUPED, at, group)
  return group, math.max(1, n - (since or 0)), again
end
