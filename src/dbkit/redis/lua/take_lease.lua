-- KEYS lease, fence · ARGV milliseconds, who · the new fencing number, or 0 and who holds it
local held = redis.call("GET", KEYS[1])
if held then
    return { 0, held }
end
local fence = redis.call("INCR", KEYS[2])
redis.call("SET", KEYS[1], string.format("%.0f", fence) .. "|" .. ARGV[2], "PX", ARGV[1])
return { fence, "" }
