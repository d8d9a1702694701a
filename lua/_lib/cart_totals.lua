-- How many lines, units and minor units; of a cart of which only some lines were read (see
-- cart_read_line), with the rest.
local function totals_of(lines, rest)
    local count, quantity, total = 0, 0, 0
    if rest then
        count, quantity, total = rest.count, rest.quantity, rest.total
    end
    for _, line in pairs(lines) do
        count = count + 1
        quantity = quantity + line.quantity
        total = total + line.quantity * line.unit_price
    end
    return count, quantity, total
end
