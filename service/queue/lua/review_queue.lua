-- The verbs of the review queue. Keys, records and states are described at the top of
-- review_queue.py. The first write of a verb that takes something in is one that Redis
-- refuses when its memory is full, so such a verb writes everything or nothing.

local PLACE_LENGTH = ID_LENGTH + 13 -- of the due time and the id, with which an entry ends

local function text_of(id, item)
  return redis.call('HGET', TEXTS, id .. ':' .. item.version)
end

local function stands(item, entry) -- until it is undone or overturned
  for _, undone in ipairs(item.undone or {}) do
    if undone == entry then return false end
  end
  return true
end

-- An entry, what may be erased beside it, whether it stands, whether its text was replaced, and the
-- digest of that text unless it was.
local function view(entry)
  local facts = facts_in(entry)
  if not facts then return { entry and entry[1] or '0-0', '', false, false, 0, 0, NO_DIGEST } end
  local field, item = facts.item_id .. ':' .. facts.version, load(facts.item_id)
  local texts = redis.call('HMGET', TEXTS, field, field .. ':' .. facts.token)
  local standing = (not item or stands(item, entry[1])) and 1 or 0
  local replaced = item and superseded(item, facts) and 1 or 0
  local digest = item and item.version == facts.version and item.digest or NO_DIGEST
  return { entry[1], entry[2][2], texts[1], texts[2], standing, replaced, digest }
end

local function shown(id, item, record)
  return { 'ok', id, record or written(item), text_of(id, item) }
end

-- Who may have an item

local function return_expired(at)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', at)) do
    local item = load(id)
    if item then
      item.abandoned = item.abandoned + 1
      line_up(id, item)
    else
      redis.call('ZREM', LEASES, id)
    end
  end
end

local function why_lost(item, token, at) -- false while the token gives the right to decide
  if not item then return 'missing' end
  if item.token ~= tonumber(token) or item.state ~= 'leased' then
    return (item.state == 'decided' and 'decided') or item.void or 'expired'
  end
  return item.expires <= at and 'expired'
end

-- Out of the lines of labels, the troubled and the escalated, into somebody's hands. The lines of
-- authors, articles and dialects keep it, because taking it out of long lines is dear; whoever walks
-- over them steps over what is in hands, of which there is never much.
local function hand_out(id, item)
  for _, entry in ipairs(entries(id, item)) do
    if entry:find('^[lte]') then redis.call('ZREM', LINES, entry) end
  end
end

-- Walks over the ids of a facet's line, the most urgent first. Facet '' is the whole line: those of
-- all labels side by side, of which each step takes the most urgent front.
local function walk(facet)
  local function first(from, till)
    return redis.call('ZRANGEBYLEX', LINES, from, till, 'LIMIT', 0, 1)[1]
  end
  local function line_end(entry)
    local past = entry:sub(1, -1 - PLACE_LENGTH) .. ':' -- which comes after 9
    return '(' .. (past > entry and past or entry) -- never back, whatever somebody put there
  end
  local fronts, taken = {}, nil
  if facet ~= '' then
    fronts[1] = first('[' .. facet, '(' .. facet .. ':')
  else
    local front = first('[l', '(m')
    while front do
      fronts[#fronts + 1] = front
      front = first(line_end(front), '(m')
    end
  end
  local keeps_leased = facet:find('^[^ltec]')
  return function()
    local id
    repeat
      if taken then fronts[taken] = first('(' .. fronts[taken], line_end(fronts[taken])) end
      taken = nil
      for line, front in pairs(fronts) do
        if not taken or front:sub(-PLACE_LENGTH) < fronts[taken]:sub(-PLACE_LENGTH) then taken = line end
      end
      id = taken and fronts[taken]:sub(-ID_LENGTH)
    until not id or not keeps_leased or not redis.call('ZSCORE', LEASES, id)
    return id
  end
end

-- The most urgent item of a line that is not barred for this moderator. Only what this moderator
-- skipped or has judged before is stepped over, so the length of the line does not matter.
local function first_for(moderator, facet, at)
  for id in walk(facet) do
    local till = redis.call('ZSCORE', BARRED, id .. moderator)
    if not till or tonumber(till) <= at then
      local item = load(id)
      if item and item.state == 'pending' then return id, item end
    end
  end
end

local function bar(id, moderator, at, till)
  redis.call('ZREMRANGEBYSCORE', BARRED, '-inf', at) -- others that are over
  redis.call('ZADD', BARRED, till, id .. moderator)
end

local function barred_for_good(id, moderator) -- gave an opinion, or took the decision appealed against
  return redis.call('ZSCORE', BARRED, id .. moderator) == 'inf'
end

-- What a moderator put off for a while; what they may never have is barred without an end.
local function put_off_by(moderator, at)
  local ids = {}
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', BARRED, '(' .. at, '(+inf')) do
    if member:sub(ID_LENGTH + 1) == moderator then ids[#ids + 1] = member:sub(1, ID_LENGTH) end
  end
  return ids
end

-- What follows from a decision

local function tell(id, item, entry, at) -- the site is to hear of this entry, if anybody listens
  if redis.call('HGET', SITE, 'listens') == '0' then return end
  item.undelivered = item.undelivered or {}
  table.insert(item.undelivered, entry)
  if #item.undelivered == 1 then redis.call('ZADD', OUTBOX, at, id) end
end

local function author_of(item) -- the facet of its author, if any; that of its label comes first
  return item.facets:match(' (u%S+)')
end

local function count_author(item, action, decided, step)
  local author = author_of(item)
  if not author then return end
  local known = redis.call('HGET', AUTHORS, author) or '0 0 ' .. item.since .. ' '
  local approved, rejected, first_seen, times = known:match('^(%-?%d+) (%-?%d+) (%d+) ([%d ]*)$')
  if not approved then approved, rejected, first_seen, times = 0, 0, item.since, '' end
  if action == 'approve' then
    approved = approved + step
  else -- the times of the last rejections are kept, each 13 digits and a blank
    local time = decided .. ' '
    rejected = rejected + step
    times = step > 0 and (time .. times):sub(1, 14 * MAX_REJECTIONS) or times:gsub(time, '', 1)
  end
  local counts = approved .. ' ' .. rejected .. ' ' .. first_seen .. ' ' .. times
  redis.call('HSET', AUTHORS, author, counts)
end

-- The consequences of a decision for its author; with step -1 they are taken back. An appeal that
-- is upheld changes nothing; one that is granted reverses the decision it is about.
local function weigh(id, item, step)
  local appeal = item.appeal
  if item.calibration or (appeal and appeal.action == item.action) then return end
  count_author(item, item.action, item.decided, step)
  if not appeal then return end
  count_author(item, appeal.action, appeal.decided, -step)
  local first = load(appeal.item_id)
  if not first then return end
  local undone = {}
  for _, entry in ipairs(first.undone or {}) do
    if entry ~= appeal.decision then undone[#undone + 1] = entry end
  end
  if step > 0 then undone[#undone + 1] = appeal.decision end
  first.undone = #undone > 0 and undone or nil
  if first.decision == appeal.decision then first.overturned_by = step > 0 and id or nil end
  save(appeal.item_id, first)
end

local function forget_opinions(id, item)
  for _, opinion in ipairs(item.opinions or {}) do
    redis.call('ZREM', BARRED, id .. opinion.moderator)
  end
  item.opinions, item.escalated = nil, nil
end

local function keep_words(id, item, words) -- what the moderator wrote, apart from the stream
  if words == '' then return end
  redis.call('HSET', TEXTS, id .. ':' .. item.version .. ':' .. item.token, words)
end

-- Takes a waiting item out of the queue without a decision; its text goes at once.
local function drop(id, item, at, facts)
  tell_stream('withdrawal', id, item, at, facts)
  take_out(id, item)
  forget_opinions(id, item)
  forget_version(id, item.version, item.token)
  item.state, item.void, item.owner, item.expires = 'withdrawn', 'withdrawn', nil, nil
  redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. item.version)
  save(id, item)
end

-- Which request an item's last entry answers. Each verb has request ids of its own.
local function named(verb, request) return verb .. ':' .. request end

local function close(id, item, at, request, action, facts, words, more, told_already)
  more = more or {}
  if item.appeal then
    more.appeal_of, more.overturned = item.appeal.decision, item.appeal.action ~= action
  end
  more.expected = item.calibration
  local kind, body = item.calibration and 'calibration' or 'decision', nil
  item.decision, body = tell_stream(kind, id, item, at, facts, more)
  item.last, item.request, item.action, item.decided = item.decision, request, action, at
  keep_words(id, item, words)
  take_out(id, item)
  forget_opinions(id, item)
  item.state, item.owner, item.expires = 'decided', nil, nil
  weigh(id, item, 1)
  if not item.calibration and not told_already then tell(id, item, item.decision, at) end
  local author = not item.calibration and author_of(item)
  local old_one_day = { at, 'item:' .. id .. ':' .. item.version }
  if author then old_one_day[3], old_one_day[4] = at, 'author:' .. author end
  redis.call('ZADD', RETENTION, 'GT', unpack(old_one_day)) -- a restored decision is not the last
  save(id, item)
  return body
end

-- Why this moderator may not take the decision on an item back; nil where nothing is against it.
local function why_kept(id, item, moderator, senior, window_ms, at)
  if at - item.decided > tonumber(window_ms) then return 'late' end
  if not text_of(id, item) then return 'gone' end -- erased: nobody could judge it again
  local appeal = item.appealed and load(item.appealed)
  if appeal and appeal.state == 'decided' then return 'appealed' end
  local facts = facts_in(entry_of(item.decision))
  if senior ~= '1' and not (facts and facts.moderator == moderator) then return 'foreign' end
end

-- An appeal against the decision that still waits goes with it: there is nothing to object to.
local function reopen(id, item, at, request, facts, withdrawal)
  local appeal = item.appealed and load(item.appealed)
  if appeal and waits(appeal) then drop(item.appealed, appeal, at, withdrawal) end
  local more = { undoes = item.decision, expected = item.calibration }
  item.last = tell_stream('undo', id, item, at, facts, more)
  item.undone = item.undone or {}
  table.insert(item.undone, item.decision)
  weigh(id, item, -1)
  if not item.calibration then tell(id, item, item.last, at) end
  redis.call('ZREM', RETENTION, 'item:' .. id .. ':' .. item.version)
  item.decision, item.decided, item.action, item.appealed = nil, nil, nil, nil
  item.request = request
  line_up(id, item)
end

local function give_opinion(id, item, at, moderator, request, action, facts, words)
  local body
  item.last, body = tell_stream('opinion', id, item, at, facts)
  item.request = request
  keep_words(id, item, words)
  take_out(id, item)
  item.escalated = item.opinions and true or nil -- the second opinion differs: a senior decides
  item.opinions = item.opinions or {}
  table.insert(item.opinions, { moderator = moderator, action = action })
  bar(id, moderator, at, '+inf')
  line_up(id, item)
  return body
end

-- A calibration item for this moderator alone, in the place of the item that would have come: a
-- copy, because everybody is to answer it, each once.
local function mix_in(model, item, content, moderator, id, replaced, at)
  redis.call('HSET', TEXTS, id .. ':1', content)
  bar(model, moderator, at, '+inf')
  item.mixed_in, item.version, item.since, item.due = true, 1, replaced.since, replaced.due
  return item
end

local verbs = {}

-- Comments come in

-- What is known of a comment: version, state and, once it is decided, the last word on it.
local function standing(item)
  local last = item.state == 'decided' and item
  while last and last.overturned_by do last = load(last.overturned_by) end
  if not last then return { 0, item.version, item.state, '', '', 0 } end
  return { 0, item.version, item.state, last.decision, last.action, last.decided }
end

-- The record of a comment, or of its next version. `facts` are the record from the digest on.
local function next_version(item, facts, at)
  local fresh = parsed('new 1 0 0 ' .. at .. ' ' .. at .. ' ' .. facts)
  if item then
    fresh.version, fresh.token, fresh.void = item.version + 1, item.token, 'edited'
    for _, kept in ipairs({ 'undelivered', 'attempts', 'dead', 'undone' }) do
      fresh[kept] = item[kept]
    end
  end
  return fresh
end

-- The same with its text, or false when nothing is new. The version before gives up its place in
-- the line.
local function admit(id, slack, facts, content, at)
  local item = load(id)
  local fresh = next_version(item, facts, at)
  if item and same(item.digest, fresh.digest) and item.state ~= 'withdrawn' then
    return false, item
  end
  local open = item and waits(item)
  if open then fresh.since, fresh.abandoned = item.since, item.abandoned end -- keeps its place
  fresh.due = fresh.since + slack
  redis.call('HSET', TEXTS, id .. ':' .. fresh.version, content)
  if open then
    take_out(id, item)
    forget_opinions(id, item)
    forget_version(id, item.version, item.token)
  end
  return fresh
end

function verbs.enqueue(id, slack, facts, content)
  local fresh, known = admit(id, slack, facts, content, now())
  if not fresh then return standing(known) end
  line_up(id, fresh)
  return { 1, fresh.version, 'pending' }
end

function verbs.reject(id, facts, content, request, decision) -- by the policy alone
  local at = now()
  local item, known = admit(id, 0, facts, content, at)
  if not item then return standing(known) end
  close(id, item, at, request, 'reject', decision, '', nil, true)
  return { 1, item.version, 'decided', item.decision, item.action, item.decided }
end

-- A comment that needs nobody. Nothing is kept of it, unless an earlier text of it was: that is
-- replaced, and leaves the queue.
function verbs.approve(id, facts, withdrawal)
  local item = load(id)
  if not item then return { 0, 1, 'unseen' } end
  if same(item.digest, facts:match('%S+')) then return standing(item) end
  local at = now()
  if waits(item) then drop(id, item, at, withdrawal) end
  local fresh = next_version(item, facts, at)
  fresh.state = 'withdrawn'
  redis.call('ZADD', RETENTION, at, 'item:' .. id .. ':' .. fresh.version)
  save(id, fresh)
  return { 1, fresh.version, 'withdrawn' }
end

-- A decision that Redis has forgotten and an export still knows.
function verbs.restore(id, facts, content, action, decision, decided)
  local at, item = tonumber(decided), load(id)
  local waiting = item and waits(item)
  if waiting and not same(item.digest, facts:match('%S+')) then return { 0 } end
  if item and not waiting and (item.decided or 0) >= at then return { 0 } end
  if not waiting then
    item = admit(id, 0, facts, content, at)
    if not item then return { 0 } end
  end
  close(id, item, at, '', action, decision, '', { restored = true }, true)
  return { 1 }
end

function verbs.withdraw(id, facts)
  local at, item = now(), load(id)
  if not item then return { 'missing' } end
  if not waits(item) then return { 'ok', 0 } end
  drop(id, item, at, facts)
  return { 'ok', 1 }
end

function verbs.appeal(id, decision, slack, statement)
  local at, known, facts = now(), load(id), facts_in(entry_of(decision))
  if known then return { 'ok', 0, known.version, known.state } end
  local item = facts and facts.kind == 'decision' and load(facts.item_id)
  if not item then return { 'missing' } end
  if not stands(item, decision) then return { 'overruled' } end
  local content = redis.call('HGET', TEXTS, facts.item_id .. ':' .. facts.version)
  if not content then return { 'gone' } end
  local field = id .. ':' .. facts.version
  redis.call('HSET', TEXTS, field, content:sub(1, -2) .. ',{"appeal":' .. statement .. '}]')
  bar(id, facts.moderator, at, '+inf')
  local digest = item.version == facts.version and item.digest or NO_DIGEST
  local fresh = parsed('new ' .. facts.version .. ' 0 0 ' .. at .. ' ' .. at + slack .. ' ' .. digest
    .. ' ' .. item.facets .. '\n' .. item.comment_id .. '\n' .. cjson.encode(facts.verdict) .. '\n')
  fresh.appeal = {
    decision = decision, item_id = facts.item_id, action = facts.action,
    decided = facts.decided_at, moderator = facts.moderator, version = facts.version,
  }
  line_up(id, fresh)
  if item.decision == decision then
    item.appealed = id
    save(facts.item_id, item)
  end
  return { 'ok', 1, facts.version, 'pending' }
end

-- One moderator, one item

function verbs.lease(moderator, lease_ms, facet, senior, copy) -- with an id for a copy: mix in
  local at = now()
  return_expired(at)
  local id, item
  if senior == '1' and facet == '' then id, item = first_for(moderator, 'e', at) end
  if not id then id, item = first_for(moderator, facet, at) end
  if not id then return { 'none' } end
  local model, known = nil, nil
  if copy ~= '' then model, known = first_for(moderator, 'c', at) end
  local content = model and text_of(model, known)
  if content then
    id, item = copy, mix_in(model, known, content, moderator, copy, item, at)
  else
    hand_out(id, item)
  end
  item.state, item.owner, item.expires = 'leased', moderator, at + lease_ms
  item.token, item.void = item.token + 1, nil
  local record = save(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return shown(id, item, record)
end

function verbs.renew(id, token, lease_ms)
  local at, item = now(), load(id)
  local lost = why_lost(item, token, at)
  if lost then return { lost } end
  item.expires = at + lease_ms
  local record = save(id, item)
  redis.call('ZADD', LEASES, item.expires, id)
  return shown(id, item, record)
end

function verbs.release(id, token, skip_ms)
  local at, item = now(), load(id)
  local lost = why_lost(item, token, at)
  if lost then return { lost } end
  if tonumber(skip_ms) > 0 then bar(id, item.owner, at, at + skip_ms) end
  line_up(id, item)
  return { 'ok' }
end

function verbs.unskip(moderator, id) -- of one item, or of all with an empty id
  local n_taken_back = 0
  for _, skipped in ipairs(put_off_by(moderator, now())) do
    if id == '' or id == skipped then
      n_taken_back = n_taken_back + redis.call('ZREM', BARRED, skipped .. moderator)
    end
  end
  return { n_taken_back }
end

function verbs.escalate(id, token, note)
  local item = load(id)
  local lost = why_lost(item, token, now())
  if lost then return { lost } end
  local content = note ~= '' and text_of(id, item)
  if content then -- the note lies with the comment, and goes when it goes
    content = content:sub(1, -2) .. ',' .. cjson.encode({ note = note }) .. ']'
    redis.call('HSET', TEXTS, id .. ':' .. item.version, content)
  end
  take_out(id, item)
  item.escalated = true
  line_up(id, item)
  return { 'ok' }
end

function verbs.decide(id, token, moderator, request, action, facts, words)
  local at, item = now(), load(id)
  request = named('decide', request)
  if item and item.request == request then return { 'ok', view(entry_of(item.last)) } end
  local lost = why_lost(item, token, at) or (item.owner ~= moderator and 'expired')
  if lost then return { lost } end
  local first = item.opinions and item.opinions[1]
  local body
  if item.blind and not item.escalated and not (first and first.action == action) then
    body = give_opinion(id, item, at, moderator, request, action, facts, words)
  else
    body = close(id, item, at, request, action, facts, words)
  end
  return { 'ok', { item.last, body, text_of(id, item), words, 1, 0, item.digest } }
end

function verbs.undo(id, decision, moderator, senior, request, window_ms, facts, withdrawal)
  local at, item = now(), load(id)
  if not item then return { 'missing' } end
  request = named('undo', request)
  if item.request ~= request then
    if item.state ~= 'decided' then return { 'undecided' } end
    if decision ~= '' and item.decision ~= decision then return { 'replaced' } end
    local kept = why_kept(id, item, moderator, senior, window_ms, at)
    if kept then return { kept } end
    reopen(id, item, at, request, facts, withdrawal)
  end
  return { 'ok', view(entry_of(item.last)) }
end
