-- A user's cart with one line of it; what the others add up to is .rest, from the totals that every
-- write leaves: a cart of 50 lines is written as fast as one of two.
local function read_line(cart_key, sku)
    local held = redis.pcall("HMGET", cart_key, "version", "currency", "since", "lines",
        "quantity", "total", "sku:" .. sku)
    if held.err then
        return nil, redis.error_reply("CARTKEYS the cart's key holds another type")
    end
    local cart = {
        version = tonumber(held[1] or 0), currency = held[2] or "", since = tonumber(held[3] or 0),
        lines = {},
        rest = {
            count = tonumber(held[4] or 0), quantity = tonumber(held[5] or 0),
            total = tonumber(held[6] or 0),
        },
    }
    if held[7] then
        local line = parse_line(held[7])
        cart.lines[sku] = line
        cart.rest.count = cart.rest.count - 1
        cart.rest.quantity = cart.rest.quantity - line.quantity
        cart.rest.total = cart.rest.total - line.quantity * line.unit_price
    end
    return cart, nil
end
