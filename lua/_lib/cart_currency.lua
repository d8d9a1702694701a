-- One currency a cart: the first line gives it, the last one takes it away.
local function check_currency(cart, currency)
    if not string.find(currency, "^%u%u%u$") then
        return redis.error_reply("CARTCURRENCY the currency is not three capital letters")
    end
    if cart.currency ~= "" and cart.currency ~= currency then
        return redis.error_reply("CARTCURRENCY the cart is in " .. cart.currency .. ", not in "
            .. currency)
    end
    return nil
end
