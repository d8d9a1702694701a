-- Which reading of whose cart is merged.
local function check_guest(cart_key, guest_id, since, version)
    local is_id = guest_id ~= "" and not string.find(guest_id, "[{}]")
    if not is_id or cart_key == "cart:{" .. guest_id .. "}" then
        return redis.error_reply("CARTUSER the guest's id is empty, has a brace, or is the user's")
    end
    if not whole_number(since, 0) or not whole_number(version, 0) then
        return redis.error_reply("CARTVERSION since or version is not a whole number")
    end
    return nil
end
