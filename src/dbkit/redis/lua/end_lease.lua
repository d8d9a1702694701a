-- KEYS lease · ARGV who, fencing number
if redis.call("GET", KEYS[1]) == ARGV[2] .. "|" .. ARGV[1] then
    redis.call("DEL", KEYS[1])
end
return 0
