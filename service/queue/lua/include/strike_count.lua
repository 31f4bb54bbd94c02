-- The rejections of an author that count.

local STRIKES_MS = 30 * 86400000 -- for which one does

local function n_strikes(counts, at)
  local n = 0
  for _, time in ipairs(counts.rejected_at or {}) do
    if time > at - STRIKES_MS then n = n + 1 end
  end
  return n
end
