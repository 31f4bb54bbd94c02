-- The length of an item's id.

local ID_LENGTH = 12 -- characters of an item's id
