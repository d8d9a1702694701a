--[[
release_cart_lock: give the lock of a user's cart back, if this token still holds it.

KEYS
  1 lock        cart:lock:{<user_id>}
ARGV
  1 token       text      as given to acquire_cart_lock
RULES
RETURNS
  released      flag      0: this token does not hold the lock (expired, released, or another's)
ERRORS
  CARTARGS      an argument is missing
  CARTKEYS      the key is not a lock's, or holds another type
  CARTUSER      the user's id is empty or holds a brace
  CARTTOKEN     the token is not 20 to 128 bytes
FLAGS
  allow-oom
]]
local call = redis.call
-- include: whole_number
-- include: cart_arguments
-- include: cart_keys
-- include: cart_token
-- include: cart_lock

local lock_key = KEYS[1]
local token = ARGV[1]
local refused = check_arguments(1, 0) or check_keys({ "lock" }) or check_token(token)
if refused then
    return refused
end

local holder
holder, refused = read_lock(lock_key)
if refused then
    return refused
end
if holder ~= token then
    return 0
end
return call("DEL", lock_key)
