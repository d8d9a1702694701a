-- Write the lines that changed, the totals of all lines, the next version and the TTL; the answer
-- of every cart write: version, lines, quantity, currency, total.
local function save_cart(cart_key, cart, changed, cart_ttl_seconds)
    local lines, quantity, total = totals_of(cart.lines, cart.rest)
    local version, written_at = cart.version + 1, now()
    local since = cart.since > 0 and cart.since or written_at
    local fields = {
        "version", digits(version), "lines", digits(lines), "quantity", digits(quantity),
        "total", digits(total), "updated_at", digits(written_at),
        "since", digits(since),
    }
    local gone = {}
    for _, sku in ipairs(changed) do
        local line = cart.lines[sku]
        if line then
            fields[#fields + 1] = "sku:" .. sku
            fields[#fields + 1] = digits(line.quantity) .. "|" .. digits(line.unit_price)
        else
            gone[#gone + 1] = "sku:" .. sku
        end
    end
    if lines == 0 then
        cart.currency = ""
        gone[#gone + 1] = "currency"
    else
        fields[#fields + 1] = "currency"
        fields[#fields + 1] = cart.currency
    end
    call("HSET", cart_key, unpack(fields))
    if #gone > 0 then
        call("HDEL", cart_key, unpack(gone))
    end
    call("EXPIRE", cart_key, cart_ttl_seconds)
    return { version, lines, quantity, cart.currency, total }
end
