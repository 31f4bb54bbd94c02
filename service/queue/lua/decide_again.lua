-- Decide a comment otherwise than somebody did: that decision is taken back and another taken, as one.
-- KEYS: items texts lines leases barred decisions listed figures shifts outbox authors retention site
-- KEYS: reports report_times reporters arrivals
-- ARGV: id decision moderator senior window_ms action undo withdrawal draft words
-- returns: { 'ok', entry (see queue/view) }
-- returns: { 'missing' | 'unreadable' | 'undecided' | 'replaced' | 'barred' }
-- returns: { 'late' | 'gone' | 'appealed' | 'objected' | 'foreign' }
-- include: queue/clock queue/item queue/entry queue/view queue/text queue/why_kept queue/reopen queue/close

local at, item, record = now(), load(id)
if not item then return { record and 'unreadable' or 'missing' } end
local request = 'again:' .. action .. ':' .. cjson.decode(draft).request_id
if item.request == request then return { 'ok', view(entry_of(item.last)) } end
if item.state ~= 'decided' then return { 'undecided' } end
if item.decision ~= decision then return { 'replaced' } end
if redis.call('ZSCORE', BARRED, id .. moderator) == 'inf' then return { 'barred' } end -- judged it before
local decided = facts_in(entry_of(item.decision))
local kept = why_kept(id, item, decided, moderator, senior, senior == '1' and math.huge or window_ms, at)
if kept then return { kept } end
local appeal = item.appealed and load(item.appealed)
if appeal and waits(appeal) and action == item.action then return { 'objected' } end
reopen(id, item, decided, at, request, undo, withdrawal)
item.token = item.token + 1
local body = close(id, item, at, request, action, draft, words)
return { 'ok', { item.decision, body, text_of(id, item), words, 1, 0, item.digest or '' } }
