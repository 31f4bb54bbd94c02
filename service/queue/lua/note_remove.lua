-- Remove a note about an author or an article: whoever wrote it may, and seniors.
-- KEYS: texts retention
-- ARGV: facet id moderator senior
-- returns: { 'ok', 1, or 0 where there is no such note }
-- returns: { 'foreign' }
-- include: queue/notes queue/keep_notes

local notes, left = notes_about(facet), {}
for _, note in ipairs(notes) do
  if note.id ~= id then
    left[#left + 1] = note
  elseif senior ~= '1' and note.moderator ~= moderator then
    return { 'foreign' }
  end
end
if #left < #notes then keep_notes(facet, left) end
return { 'ok', #notes - #left }
