-- The keys must be those of one user, of the kinds the script expects and of the right type: no
-- write can then fail half way on a key's type, and nobody's cart meets another's request ids.
local key_shapes = {
    cart = { pattern = "^cart:{(.*)}$", type = "hash" },
    seen = { pattern = "^cart:seen:{(.*)}$", type = "hash" },
    lock = { pattern = "^cart:lock:{(.*)}$", type = "string" },
    metrics = { pattern = "^cart:metrics:{(.*)}:%d%d%d%d%-%d%d%-%d%d$", type = "hash" },
}

local function check_keys(kinds)
    if #KEYS ~= #kinds then
        return redis.error_reply("CARTKEYS expected " .. #kinds .. " keys, got " .. #KEYS)
    end
    local owner
    for position, kind in ipairs(kinds) do
        local user = string.match(KEYS[position], key_shapes[kind].pattern)
        if not user then
            return redis.error_reply("CARTKEYS key " .. position .. " is not a " .. kind .. " key")
        end
        if user == "" or string.find(user, "[{}]") then
            return redis.error_reply("CARTUSER the user's id is empty or holds a brace")
        end
        if user ~= (owner or user) then
            return redis.error_reply("CARTKEYS the keys are not all of one user")
        end
        owner = user
        local found = call("TYPE", KEYS[position]).ok
        if found ~= "none" and found ~= key_shapes[kind].type then
            return redis.error_reply("CARTKEYS key " .. position .. " holds a " .. found)
        end
    end
    return nil
end
