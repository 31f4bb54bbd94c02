-- Why this moderator may not take the decision on an item back; nil where nothing is against it.
-- `decided` is what its entry says, nil if that cannot be read.
-- include: queue/item queue/text

local function why_kept(id, item, decided, moderator, senior, window_ms, at)
  if at - item.decided > tonumber(window_ms) then return 'late' end
  if not text_of(id, item) then return 'gone' end -- erased: nobody could judge it again
  local appeal = item.appealed and load(item.appealed)
  if appeal and appeal.state == 'decided' then return 'appealed' end
  if senior ~= '1' and not (decided and decided.moderator == moderator) then return 'foreign' end
end
