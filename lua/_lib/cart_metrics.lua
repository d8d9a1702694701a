-- Count one action of the day. The first write of a script: should the counter hold something that
-- is no number, the script ends here with nothing written.
local function count_metric(metrics_key, action, metrics_ttl_seconds)
    call("HINCRBY", metrics_key, action, 1)
    call("EXPIRE", metrics_key, metrics_ttl_seconds)
end
