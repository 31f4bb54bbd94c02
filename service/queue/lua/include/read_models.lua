-- Read model: what a decision changes in the daily figures.
-- include: queue/item queue/save queue/entry queue/facts queue/figures

-- The moderator and action of an answer to a comment with a known answer are kept with that comment,
-- to be compared with the answers of others; an answer that is taken back is compared no longer.
local function count_answer(item, answer, step)
  local known = item.model and load(item.model)
  if not known then return end
  local others = {}
  for _, other in ipairs(known.answers or {}) do
    if other.moderator ~= answer.moderator then
      others[#others + 1] = other
      count_pair(math.max(answer.at, other.at), answer, other, step)
    end
  end
  if step > 0 then others[#others + 1] = answer end
  known.answers = #others > 0 and others or nil
  save(item.model, known)
end

-- An appeal that is granted reverses the decision it is about.
local function count_consequences(item, facts, step)
  count_decision(facts, step)
  count_judgement(facts, step)
  local appeal = item.appeal
  if appeal and appeal.action ~= facts.action then
    count_decision(facts_in(entry_of(appeal.decision)), -step)
  end
  if item.known_answer then
    local answer = { moderator = facts.moderator, action = facts.action, at = facts.decided_at }
    count_answer(item, answer, step)
  end
end
