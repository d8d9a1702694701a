-- The server's clock in milliseconds: a caller's clock could be wrong. (Redis 5 and later replicate
-- a script's effects, so that reading the clock before a write is safe.)
local function now()
    local time = call("TIME")
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
