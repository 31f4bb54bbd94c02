-- Whether the site took the news of an entry.

local function was_told(item, entry)
  for _, told in ipairs(item.told or {}) do
    if told:sub(1, #entry + 1) == entry .. ' ' then return true end
  end
  return false
end
