-- What the reports about a comment weigh.

local DOUBTED_AFTER = 3 -- answered reports of one reader, from which on less than ...
local LEAST_RIGHT = 0.25 -- ... this share of them being right means that theirs weigh nothing

local function weight_of(reader) -- the share of theirs that were right, as Laplace estimates it
  local n = reader.right + reader.wrong
  if n >= DOUBTED_AFTER and reader.right / n < LEAST_RIGHT then return 0 end
  return (reader.right + 1) / (n + 2)
end

local function add_report(item, facts, reader) -- to those that wait for an answer
  local all = item.reported or { n = 0, proven = 0, strangers = 0 }
  all.n = all.n + 1
  local group = reader.right + reader.wrong > 0 and 'proven' or 'strangers'
  all[group] = all[group] + weight_of(reader)
  all.illegal = all.illegal or facts.reason == 'illegal' or nil
  item.reported = all
end
