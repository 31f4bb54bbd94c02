-- Forgetting by which words a comment was found, once its text is gone.
-- include: queue/forget_arrival queue/note_arrival

local EXACT_LENGTH = 6 -- of a signature without words, as in service/rules/search_terms.py

local function forget_words_of(id, item)
  local signature = forget_arrival(id, item)
  if signature then note_arrival(id, item, signature:sub(1, EXACT_LENGTH)) end
end
