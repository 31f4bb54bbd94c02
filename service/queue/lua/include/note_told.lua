-- Noting what the site took of the news about an item: `<entry> <milliseconds after it>`, the newest first.

local MAX_TOLD = 20 -- of an item

local function note_told(item, entry, at)
  item.told = item.told or {}
  table.insert(item.told, 1, string.format('%s %.0f', entry, at - tonumber(entry:match('^%d+'))))
  item.told[MAX_TOLD + 1] = nil
end
