-- A lock's token is the holder's secret: long enough that no two holders draw the same.
local function check_token(token)
    if #token < 20 or #token > 128 then
        return redis.error_reply("CARTTOKEN the token is not 20 to 128 bytes")
    end
    return nil
end
