-- Count comments: copies of a text, what each author sends, what each article gets. `seen` has eight
-- words for each: group and sketch of its letters ('' where there are none), 1 where its copies count,
-- facet of the author and of the article ('' for none), id and title of the article, digest of the
-- comment's id.
-- KEYS: groups bands grouped paces paced raids
-- ARGV: raid_factor seen...
-- returns: { { group, copies in a day, of the author in an hour }, ... }
-- include: queue/clock queue/forget_oldest queue/copies queue/paces queue/note_raid

local answer, at, factor = {}, now(), tonumber(raid_factor)
forget_oldest(GROUPED, at, COPIES_MS, MAX_GROUPS, forget_group)
forget_oldest(PACED, at, PACE_MS, MAX_PACED, forget_pace)
for place = 1, #seen, 8 do
  local letters, sketch, counts, author, article, article_id, title, comment =
    unpack(seen, place, place + 7)
  local group, n_copies, again = '', 0, false
  if letters ~= '' then group, n_copies, again = join_group(letters, sketch, comment, at) end
  local step = again and 0 or 1
  local n_of_author = author ~= '' and pace_of_author(author, step, at) or 0
  if article ~= '' then
    local n, usual = pace_of_article(article, step, at, factor, MIN_RAID)
    if factor > 0 and n >= MIN_RAID and n >= factor * usual then
      local raid = { article_id = article_id, article_title = title, n = n, usual = usual }
      note_raid(article, raid, at)
    end
  end
  if counts ~= '1' then
    n_copies = 0
  elseif factor > 0 and n_copies >= MIN_RAID_COPIES then
    note_raid(group, { article_id = article_id, n = n_copies, copies = group }, at)
  end
  answer[#answer + 1] = { group, n_copies, n_of_author }
end
return answer
