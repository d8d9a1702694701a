-- For a script that has to write before it counts: whether count_metric will be able to.
local function check_countable(metrics_key, action)
    local counted = redis.pcall("HGET", metrics_key, action)
    if type(counted) == "table" then
        return redis.error_reply("CARTKEYS the metrics' key holds another type")
    end
    if counted and not string.find(counted, "^%d+$") then
        return redis.error_reply("CARTKEYS the metrics' key can't count: " .. action
            .. " is not a whole number")
    end
    return nil
end
