-- Who holds the lock (nobody: nil), or the refusal; and the holder's fencing number. It holds
-- <fencing number>|<token>; whatever else stands there is nobody's token.
local function read_lock(lock_key)
    local held = redis.pcall("GET", lock_key)
    if not held then
        return nil, nil, nil
    end
    if type(held) == "table" then
        return nil, redis.error_reply("CARTKEYS the lock's key holds another type"), nil
    end
    local fence, token = string.match(held, "^(%d+)|(.*)$")
    return token or held, nil, tonumber(fence)
end
