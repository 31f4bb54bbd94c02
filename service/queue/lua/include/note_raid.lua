-- Taking note of a raid.
-- KEYS: raids
-- include: queue/raids

local MAX_RAIDS = 20 -- that are kept
local MIN_RAID = 30 -- comments on an article in ten minutes; fewer are a conversation
local MIN_RAID_COPIES = 20 -- of one text in a day

local function note_raid(key, raid, at)
  local raids, n = current_raids(at)
  local known = raids[key]
  if not known and n >= MAX_RAIDS then return end
  raid.since, raid.at = known and known.since or at, at
  redis.call('HSET', RAIDS, key, cjson.encode(raid))
end
