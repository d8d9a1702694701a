-- The keys must be those of one user, of the kinds the script expects: nobody's cart meets
-- another's request ids. Of which type they are, the first read or write tells (see cart_types).
local key_shapes = {
    cart = "^cart:{([^{}]+)}$",
    seen = "^cart:seen:{([^{}]+)}$",
    lock = "^cart:lock:{([^{}]+)}$",
    metrics = "^cart:metrics:{([^{}]+)}:%d%d%d%d%-%d%d%-%d%d$",
}

local function check_keys(kinds)
    if #KEYS ~= #kinds then
        return redis.error_reply("CARTKEYS expected " .. #kinds .. " keys, got " .. #KEYS)
    end
    local owner
    for position, kind in ipairs(kinds) do
        local user = string.match(KEYS[position], key_shapes[kind])
        if not user then
            local shape = string.gsub(key_shapes[kind], "%[%^{}%]%+", ".*")
            if string.find(KEYS[position], shape) then
                return redis.error_reply("CARTUSER the user's id is empty or holds a brace")
            end
            return redis.error_reply("CARTKEYS key " .. position .. " is not a " .. kind .. " key")
        end
        if user ~= (owner or user) then
            return redis.error_reply("CARTKEYS the keys are not all of one user")
        end
        owner = user
    end
    return nil
end
