-- For scripts whose first read does not tell: the keys must hold what their names promise, so that
-- no write fails half way.
local key_types = { cart = "hash", seen = "hash", lock = "string", metrics = "hash" }

local function check_types(kinds)
    for position, kind in ipairs(kinds) do
        local found = call("TYPE", KEYS[position]).ok
        if found ~= "none" and found ~= key_types[kind] then
            return redis.error_reply("CARTKEYS key " .. position .. " holds a " .. found)
        end
    end
    return nil
end
