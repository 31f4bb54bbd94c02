-- Leaving the queue without a decision.
-- include: queue/line queue/forget_later

local function leave_queue(id, item, at)
  take_out(id, item)
  item.state, item.void, item.owner, item.expires = 'withdrawn', 'withdrawn', nil, nil
  forget_later(id, item, at)
end
