-- What guests brought into this cart, so that a guest who is merged again, with what was added
-- meanwhile, brings nothing twice. It lives in the cart's hash, so that it can't be lost without
-- the lines that it accounts for. Fields:
--   merged:<guest_id>  <cart's version>|<since>|<guest's version>|<currency> and, for each line,
--                      <quantity>|<what of it the line took up>|<unit price>|<sku>
local function brought_by(cart, guest_id)
    local text = cart.merged[guest_id]
    if not text then
        return nil
    end
    local since, version, currency = string.match(text, "^%d+|(%d+)|(%d+)|(%u*)")
    local brought = { since = tonumber(since), version = tonumber(version), lines = {} }
    for quantity, added, unit_price, sku in string.gmatch(text, "\n(%d+)|(%d+)|(%d+)|([^\n]+)") do
        brought.lines[sku] = {
            quantity = tonumber(quantity), added = tonumber(added),
            unit_price = tonumber(unit_price), currency = currency,
        }
    end
    return brought
end

-- Keep what a guest brought, and forget the oldest of more guests than are remembered.
local function keep_brought(cart_key, cart, guest, lines, currency, maximum_merged)
    local parts = { table.concat({
        digits(cart.version + 1), digits(guest.since), digits(guest.version), currency,
    }, "|") }
    for sku, line in pairs(lines) do
        parts[#parts + 1] = table.concat({
            digits(line.quantity), digits(line.added), digits(line.unit_price), sku,
        }, "|")
    end
    call("HSET", cart_key, "merged:" .. guest.id, table.concat(parts, "\n"))
    cart.merged[guest.id] = nil
    local others = {}
    for other, text in pairs(cart.merged) do
        others[#others + 1] = { guest_id = other, at = tonumber(string.match(text, "^%d+")) }
    end
    table.sort(others, function(left, right)
        return left.at > right.at
    end)
    for position = maximum_merged, #others do
        call("HDEL", cart_key, "merged:" .. others[position].guest_id)
    end
end
