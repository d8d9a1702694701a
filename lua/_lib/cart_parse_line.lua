-- What stands in the cart's hash under sku:<sku>: <quantity>|<unit price in minor units>.
local function parse_line(text)
    local quantity, unit_price = string.match(text, "^(%d+)|(%d+)$")
    return { quantity = tonumber(quantity), unit_price = tonumber(unit_price) }
end
