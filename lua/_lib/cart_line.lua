-- What a line may hold.
local function check_line(sku, quantity, unit_price, maximum_quantity)
    if type(sku) ~= "string" or sku == "" or #sku > 60 or string.find(sku, "%c") then
        return redis.error_reply("CARTSKU the SKU is not 1 to 60 bytes without control characters")
    end
    if not whole_number(quantity, 1, maximum_quantity) then
        return redis.error_reply("CARTQTY the quantity is not a whole number from 1 to "
            .. maximum_quantity)
    end
    if not whole_number(unit_price, 0) then
        return redis.error_reply("CARTPRICE the price is not a whole number of minor units "
            .. "from 0 to 2^53 - 1")
    end
    return nil
end
