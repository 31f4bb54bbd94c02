-- Ids of items.

local ID_LENGTH = 12
