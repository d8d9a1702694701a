-- The server's clock in milliseconds: a caller's clock could be wrong.
local function now()
    -- nolint: lua_random_before_write effects are replicated, by default since 5 and always since 7
    local time = call("TIME")
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
