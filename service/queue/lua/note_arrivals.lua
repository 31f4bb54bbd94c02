-- Note by which words items are found that an older version has stored. `signed` are ids, each with its
-- record and 1 or 0, whether it had a text, and its signature; what has changed meanwhile is left out.
-- KEYS: items texts arrivals
-- ARGV: signed...
-- returns: { how many have changed and are not noted }
-- include: queue/item queue/text queue/arrival_of queue/note_arrival

local n_changed = 0
for place = 1, #signed, 4 do
  local id, was, had_text, signature = unpack(signed, place, place + 3)
  local item, record = load(id)
  if item and not arrival_of(id, item) then
    if record == was and (text_of(id, item) and '1' or '0') == had_text then
      note_arrival(id, item, signature)
    else
      n_changed = n_changed + 1
    end
  end
end
return { n_changed }
