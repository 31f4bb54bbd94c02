-- The facets of an item.

local function facet_of(item, kind) -- if it has one of this kind: l, a, u or d
  for _, facet in ipairs(item.facets) do
    if facet:sub(1, 1) == kind then return facet end
  end
end
