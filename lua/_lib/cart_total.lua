-- The cart's total as it would be: past 2^53 - 1 it would no longer be exact.
local function check_total(cart)
    local _, _, total = totals_of(cart.lines, cart.rest)
    if total > 2 ^ 53 - 1 then
        return redis.error_reply("CARTTOTAL the total would pass 2^53 - 1 minor units")
    end
    return nil
end
