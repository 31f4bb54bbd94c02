-- An item, as it is handed out.
-- include: queue/item queue/texts

local function shown(id, item, record)
  return { 'ok', id, record or written(item), text_of(id, item) }
end
