--[[
acquire_cart_lock: take the lock of a user's cart, or renew it with the token that holds it. It
expires, so the holder hands the fencing number on, and who is protected refuses a lower one than
it has seen.

KEYS
  1 cart        cart:{<user_id>}
  2 lock        cart:lock:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 token       text      20 to 128 random bytes, the same on every retry of this request
RULES
  cart_ttl_seconds, metrics_ttl_seconds, lock_ttl_seconds
RETURNS
  fence         integer   0: another token holds the lock
  milliseconds  integer   that the lock lives; -1: without end
ERRORS
  CARTARGS      an argument or a rule is missing
  CARTKEYS      the keys are not those of one user, or hold another type
  CARTUSER      the user's id is empty or holds a brace
  CARTTOKEN     the token is not 20 to 128 bytes
FLAGS
  (none)
]]
local call = redis.call
-- include: whole_number
-- include: digits
-- include: now
-- include: cart_arguments
-- include: cart_keys
-- include: cart_token
-- include: cart_lock
-- include: cart_metrics

local cart_key, lock_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local token = ARGV[1]
local refused = check_arguments(1, 3) or check_keys({ "cart", "lock", "metrics" })
    or check_token(token)
if refused then
    return refused
end
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[2], ARGV[3]
local lock_ttl_seconds = tonumber(ARGV[4])

local holder, fence
holder, refused, fence = read_lock(lock_key)
if refused then
    return refused
end
if holder == token then
    call("EXPIRE", lock_key, lock_ttl_seconds)
    return { fence, lock_ttl_seconds * 1000 }
end
if holder then
    return { 0, call("PTTL", lock_key) }
end

-- The counter is in the cart, which outlives the lock. It never falls behind the clock: should the
-- cart expire or a failover lose a write, the next number is still above those given before.
local last = redis.pcall("HGET", cart_key, "fence")
if type(last) == "table" then
    return redis.error_reply("CARTKEYS the cart's key holds another type")
end
fence = math.max(tonumber(last or 0) + 1, now())

refused = count_metric(metrics_key, "locked", metrics_ttl_seconds)
if refused then
    return refused
end
call("HSET", cart_key, "fence", digits(fence))
call("EXPIRE", cart_key, cart_ttl_seconds)
call("SET", lock_key, digits(fence) .. "|" .. token, "EX", lock_ttl_seconds)
return { fence, lock_ttl_seconds * 1000 }
