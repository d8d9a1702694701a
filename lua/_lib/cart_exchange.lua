-- Take out what a guest's lines brought earlier where they have changed, then put in what they are
-- now; the SKUs that changed, and how many lines were cut to the limit. What the user made of a
-- line since stays the user's: no more is taken out than is there.
local function exchange_lines(cart, earlier, lines, currency, maximum_quantity)
    local changed, capped = {}, 0
    for sku, line in pairs(lines) do
        local was = earlier[sku]
        if was and was.quantity == line.quantity and was.unit_price == line.unit_price
            and was.currency == currency then
            line.added = was.added
        else
            changed[#changed + 1] = sku
        end
    end
    for sku in pairs(earlier) do
        if not lines[sku] then
            changed[#changed + 1] = sku
        end
    end
    for _, sku in ipairs(changed) do
        local held = cart.lines[sku]
        if held then
            held.quantity = held.quantity - (earlier[sku] and earlier[sku].added or 0)
            cart.lines[sku] = held.quantity > 0 and held or nil
        end
    end
    if next(cart.lines) == nil then
        cart.currency = ""
    end
    for _, sku in ipairs(changed) do
        local line = lines[sku]
        if line then
            local own = cart.lines[sku] and cart.lines[sku].quantity or 0
            -- A line that is over the limit already (the limit was lowered) keeps what it holds.
            local sum = math.max(own, math.min(own + line.quantity, maximum_quantity))
            capped = capped + (sum < own + line.quantity and 1 or 0)
            line.added = sum - own
            cart.lines[sku] = { quantity = sum, unit_price = line.unit_price }
        end
    end
    return changed, capped
end
