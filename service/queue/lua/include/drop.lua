-- Taking an item out of the queue without a decision.
-- include: queue/stream queue/answer_reports queue/leave queue/opinions queue/forget_version queue/forget_words
-- include: queue/save

local function drop(id, item, at, draft) -- its text goes at once
  tell_stream('withdrawal', id, item, at, draft)
  leave_queue(id, item, at)
  answer_reports(id, item, at, 'withdrawn', nil, draft)
  forget_opinions(id, item)
  forget_version(id, item.version, item.token)
  forget_words_of(id, item)
  save(id, item)
end
