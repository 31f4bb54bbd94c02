-- Ids of requests.

-- Which request an item's last entry answers. Each verb has request ids of its own.
local function named(verb, request) return verb .. ':' .. request end
