-- Whether a decision stands.

local function stands(item, entry) -- until it is undone or overturned
  for _, undone in ipairs(item.undone or {}) do
    if undone == entry then return false end
  end
  return true
end
