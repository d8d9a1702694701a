-- A user's cart as a table. Fields of the hash (each under 64 bytes: 50 lines stay one listpack):
--   sku:<sku>        see cart_parse_line
--   version          one more with every write; clearing keeps it, so that none comes twice
--   currency         of all lines; absent while there are none
--   since            milliseconds: when the cart began, or was last merged into another
--   merged:<guest>   see cart_merged
--   lines, quantity, total, updated_at (milliseconds), fence (see acquire_cart_lock)
local function read_cart(cart_key)
    local fields = redis.pcall("HGETALL", cart_key)
    if fields.err then
        return nil, redis.error_reply("CARTKEYS the cart's key holds another type")
    end
    local cart = { version = 0, currency = "", updated_at = 0, since = 0, lines = {}, merged = {} }
    -- nolint: lua_unbounded_loop a cart holds maximum_lines lines and maximum_merged guests
    for position = 1, #fields, 2 do
        local field, value = fields[position], fields[position + 1]
        if string.sub(field, 1, 4) == "sku:" then
            cart.lines[string.sub(field, 5)] = parse_line(value)
        elseif string.sub(field, 1, 7) == "merged:" then
            cart.merged[string.sub(field, 8)] = value
        elseif field == "version" or field == "updated_at" or field == "since" then
            cart[field] = tonumber(value)
        elseif field == "currency" then
            cart.currency = value
        end
    end
    return cart, nil
end
