-- The lines of a payload by SKU, or the refusal.
local function read_payload(payload, maximum_lines, maximum_quantity)
    local readable, items = false, nil
    if #payload <= 32768 and string.find(payload, "^%s*%[") then
        readable, items = pcall(cjson.decode, payload)
    end
    if not readable then
        return nil, redis.error_reply("CARTPAYLOAD the items are no JSON array of at most 32 KiB")
    end
    if #items > maximum_lines then
        return nil, redis.error_reply("CARTFULL a cart holds " .. maximum_lines .. " lines at most")
    end
    local lines = {}
    for position, item in ipairs(items) do
        if type(item) ~= "table" or #item ~= 3 or lines[item[1]] then
            return nil, redis.error_reply("CARTPAYLOAD item " .. position
                .. " is not [sku, quantity, unit_price] of a SKU of its own")
        end
        local refused = check_line(item[1], item[2], item[3], maximum_quantity)
        if refused then
            return nil, refused
        end
        lines[item[1]] = { quantity = tonumber(item[2]), unit_price = tonumber(item[3]) }
    end
    return lines, nil
end
