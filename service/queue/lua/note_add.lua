-- Keep a moderator's note about an author or an article, once.
-- KEYS: texts retention
-- ARGV: facet id moderator text most
-- returns: { 'ok' }
-- returns: { 'full' } where as many are kept as may be
-- include: queue/clock queue/notes queue/keep_notes

local notes = notes_about(facet)
for _, note in ipairs(notes) do
  if note.id == id then return { 'ok' } end
end
if #notes >= tonumber(most) then return { 'full' } end
notes[#notes + 1] = { id = id, moderator = moderator, at = now(), text = text }
keep_notes(facet, notes)
return { 'ok' }
