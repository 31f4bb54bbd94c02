-- Read what a trainee would have decided, the newest first, beside the last word on each comment.
-- KEYS: items texts decisions judged judgements
-- ARGV: trainee before limit
-- returns: { place of the last one where there are older ones, else '', { item id, judgement, action of
-- returns: the last word or '', entry (see queue/view) or false: of those where the two differ }, ... }
-- include: queue/id_length queue/item queue/standing queue/record queue/entry queue/view

limit = tonumber(limit)

local function last_word(id, judgement) -- and its entry, if it is about the text that was judged
  local item = load(id)
  if not item or item.version ~= judgement.version then return end
  local _, _, _, decision, action = unpack(standing(item))
  return action, decision
end

local newest = '(' .. trainee .. (before == '' and ':' or before)
local found = redis.call('ZREVRANGEBYLEX', JUDGED, newest, '[' .. trainee, 'LIMIT', 0, limit + 1)
local answer = { found[limit + 1] and found[limit]:sub(#trainee + 1) or '' }
for place = 1, math.min(limit, #found) do
  local id = found[place]:sub(-ID_LENGTH)
  local stored = redis.call('HGET', JUDGEMENTS, trainee .. id)
  local judgement = decoded(stored)
  if judgement then
    local action, decision = last_word(id, judgement)
    local differs = action and action ~= judgement.action
    answer[#answer + 1] = { id, stored, action or '', differs and view(entry_of(decision)) or false }
  end
end
return answer
