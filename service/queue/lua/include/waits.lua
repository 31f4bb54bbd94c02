-- Whether an item waits for a decision, in the line or leased.

local function waits(item)
  return item.state == 'pending' or item.state == 'leased'
end
