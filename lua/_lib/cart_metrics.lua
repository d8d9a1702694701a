-- Count one action of the day. The first write of a script: should the key or the counter hold
-- something else, the script ends here with nothing written; so it does where the server itself
-- refuses to write (OOM, READONLY, MISCONF), in the server's words.
local function count_metric(metrics_key, action, metrics_ttl_seconds)
    local counted = redis.pcall("HINCRBY", metrics_key, action, 1)
    if type(counted) == "table" then
        for _, reason in ipairs({ "WRONGTYPE", "not an integer", "overflow" }) do
            if string.find(counted.err, reason, 1, true) then
                return redis.error_reply("CARTKEYS the metrics' key can't count: " .. counted.err)
            end
        end
        return counted
    end
    call("EXPIRE", metrics_key, metrics_ttl_seconds)
    return nil
end
