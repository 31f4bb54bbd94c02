-- The answer to a report.

local function note_answer(facts, outcome, decision, at, said) -- what the decision says, if there is one
  facts.outcome, facts.decision, facts.resolved = outcome, decision, at
  facts.answer_reason, facts.source = said and said.reason, said and said.source
end
