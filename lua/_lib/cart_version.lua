-- Only at the version that the caller saw; an empty string is any version.
local function check_version(cart, version)
    if version ~= "" and whole_number(version, 0) ~= cart.version then
        return redis.error_reply("CARTVERSION the cart is at version " .. digits(cart.version))
    end
    return nil
end
