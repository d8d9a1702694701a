-- KEYS lease, fence, progress · ARGV milliseconds, who, fencing number, then fields and values of
-- the progress · 1, or 0: another run has taken the lease since. One that only ran out is renewed.
local held = redis.call("GET", KEYS[1])
if held ~= ARGV[3] .. "|" .. ARGV[2] and (held or redis.call("GET", KEYS[2]) ~= ARGV[3]) then
    return 0
end
redis.call("SET", KEYS[1], ARGV[3] .. "|" .. ARGV[2], "PX", ARGV[1])
for position = 4, #ARGV, 2 do
    redis.call("HSET", KEYS[3], ARGV[position], ARGV[position + 1])
end
return 1
