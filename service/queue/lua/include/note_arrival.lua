-- Taking an item into the order in which comments came, where search finds it.
-- KEYS: arrivals
-- include: queue/arrival_place

-- With the signature of its words (see service/rules/search_terms.py); with an empty one the item is
-- always read.
local function note_arrival(id, item, signature)
  if item.known_answer then return end -- it looks as if it had come, to those alone who get it
  redis.call('ZADD', ARRIVALS, 0, arrival_place(id, item) .. signature)
end
