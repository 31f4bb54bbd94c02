-- Take in a reader's report about a comment, once. One that is published comes back before people.
-- KEYS: items texts lines leases barred decisions retention reports report_words report_times reporters
-- KEYS: arrivals
-- ARGV: id report facts explanation contact digest strict record content signature slack target_ms
-- ARGV: most_about most_a_day most_doubted_a_day most_kept
-- returns: { 'ok', created (1 or 0), record of the report }
-- returns: { 'unknown' | 'changed' | 'unreadable' | 'often' | 'full' }
-- include: queue/clock queue/admit queue/standing queue/line_up queue/text queue/reports
-- include: queue/report_record queue/reporter queue/facts queue/entry queue/report_weight
-- include: queue/report_answer queue/forget_report

local DAY_MS = 86400000
local STRANGERS = 1 -- most that all readers weigh together of whom nothing is known

-- Whether a reader may report once more today; one who was mostly wrong has fewer.
local function takes_turn(facts, reader, at)
  if facts.reporter == '' then return true end
  local today = math.floor(at / DAY_MS)
  if reader.day ~= today then reader.day, reader.today = today, 0 end
  local most = weight_of(reader) > 0 and most_a_day or most_doubted_a_day
  reader.today = reader.today + 1
  if reader.today > tonumber(most) then return false end
  redis.call('HSET', REPORTERS, facts.reporter, cjson.encode(reader))
  redis.call('ZADD', REPORT_TIMES, at, 'u' .. facts.reporter)
  return true
end

local function has_room() -- for one more, in place of old ones that are answered
  if redis.call('ZCARD', REPORT_TIMES) < tonumber(most_kept) then return true end
  local n_forgotten = 0
  for _, member in ipairs(redis.call('ZRANGE', REPORT_TIMES, 0, 99)) do
    n_forgotten = n_forgotten + (forget_member(member) and 1 or 0)
  end
  return n_forgotten > 0
end

local function save_report(facts)
  local line = cjson.encode(facts)
  redis.call('HSET', REPORTS, report, line)
  local all = {}
  for other in reports_of(id) do all[#all + 1] = other end
  all[#all + 1] = report
  redis.call('HSET', REPORTS, 'i' .. id, table.concat(all, ' '))
  if explanation ~= '' then redis.call('HSET', REPORT_WORDS, report, explanation) end
  if contact ~= '' and not facts.outcome then redis.call('HSET', REPORT_WORDS, report .. ':contact', contact) end
  redis.call('ZADD', REPORT_TIMES, facts.at, report)
  return line
end

-- The comment is decided: what was said of it stands while it waits again. Its text must be there.
local function bring_back(item, at)
  local holder, last = id, item
  while last.overturned_by do
    holder = last.overturned_by
    last = load(holder)
  end
  local before = { item = holder, decision = last.decision, action = last.action, decided = last.decided }
  redis.call('ZREM', RETENTION, 'item:' .. id .. ':' .. item.version)
  local words = forget_arrival(id, item) or '' -- it comes anew
  item.decision, item.action, item.decided, item.appealed, item.overturned_by = nil, nil, nil, nil, nil
  item.state, item.since, item.due, item.abandoned = 'new', at, at + target_ms, 0
  item.reported = { n = 0, proven = 0, strangers = 0, standing = before, brought = true, published = true }
  note_arrival(id, item, words)
end

local at, item, stored = now(), load(id)
local known = report_by(report)
if known then return { 'ok', 0, cjson.encode(known) } end
if stored and not item then return { 'unreadable' } end
local of_other = item and digest ~= '' and digest ~= (item.digest or '')
if of_other and strict == '1' and (item.digest or '') ~= '' then return { 'changed' } end
-- A site that hands the comment over has it, even where it withdrew it once.
local gone = record == '' and item and item.state == 'withdrawn' and item.void == 'withdrawn'
local new = not gone and (not item or item.state == 'withdrawn' or (of_other and record ~= ''))
local outcome, decision
if item and item.state == 'decided' and not new then
  local last = standing(item)
  decision = last[4]
  outcome = last[5] == 'reject' and 'removed' or item.answered == decision and 'kept' or nil
  local lost = not outcome and not text_of(id, item)
  if lost and record == '' then return { 'unknown' } end
  if lost then
    redis.call('HSET', TEXTS, id .. ':' .. item.version, content)
    forget_arrival(id, item)
    note_arrival(id, item, signature)
  end
elseif gone then
  outcome = 'withdrawn'
elseif new and record == '' then
  return { 'unknown' }
end
local taken = cjson.decode(facts)
local reader = reporter_by(taken.reporter)
local room = most_about * (reader.right + reader.wrong > 0 and 2 or 1) -- strangers cannot take all of it
if item and item.reported and item.reported.n >= room then return { 'full' } end
if not takes_turn(taken, reader, at) then return { 'often' } end
if not has_room() then return { 'full' } end
taken.format, taken.item, taken.at = FORMAT, id, at
if outcome then
  note_answer(taken, outcome, decision, at, decision and facts_in(entry_of(decision)))
  return { 'ok', 1, save_report(taken) }
end
if new then
  local fresh = admit(id, slack, record, content, at, signature)
  item = fresh
  item.reported = item.reported or { n = 0, proven = 0, strangers = 0, brought = true, published = true }
elseif item.state == 'decided' then
  bring_back(item, at)
end
local before = waits(item) and report_place(id, item)
add_report(item, taken, reader)
if before then redis.call('ZREM', LINES, before) end
item.reported.since = item.reported.since or at
local due = item.reported.since + target_ms * 2 ^ -(item.reported.proven + math.min(STRANGERS, item.reported.strangers))
if item.state == 'leased' then -- somebody reads it already
  redis.call('ZADD', LINES, 0, report_place(id, item))
  save(id, item)
else
  take_out(id, item)
  item.due = math.min(item.due, math.floor(due))
  line_up(id, item)
end
return { 'ok', 1, save_report(taken) }
