-- Counts of a sliding window.

-- What a count is once a step is added, from the number of its window and the counts of that and of
-- the one before: of the last window as much counts as of it lies within the length of one window.
local function in_window(window, count, before, step, at, length)
  local present = math.floor(at / length)
  if window == present - 1 then
    before, count = count, 0
  elseif window ~= present then
    before, count = 0, 0
  end
  count = count + step
  local left = 1 - at % length / length
  return present, count, before, count + math.floor(before * left)
end
