-- One currency a cart: the first line gives it, the last one takes it away. The shop's are those
-- of the manifest's table, `EUR=2 JPY=0`, with the digits of the minor unit.
local function check_currency(cart, currency, currencies)
    if not string.find(currency, "^%u%u%u$") then
        return redis.error_reply("CARTCURRENCY the currency is not three capital letters")
    end
    if not string.find(currencies, currency .. "=", 1, true) then
        return redis.error_reply("CARTCURRENCY nothing is sold in " .. currency)
    end
    if cart.currency ~= "" and cart.currency ~= currency then
        return redis.error_reply("CARTCURRENCY the cart is in " .. cart.currency .. ", not in "
            .. currency)
    end
    return nil
end
