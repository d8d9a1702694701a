--[[
clear_cart: take every line out of a user's cart. Version, fencing number and request ids stay, so
that none of them comes twice.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 request_id  text      1 to 128 bytes, the same on every retry of this request; to end a
                          merge: merge:<user_id>:<since>:<version>
  2 version     integer?  of the cart as the caller saw it; empty: any
RULES
  cart_ttl_seconds, metrics_ttl_seconds, seen_ttl_seconds, maximum_seen
RETURNS
  version       integer
  lines         integer
  quantity      integer   of all lines
  currency      text      empty without a line
  total         integer   minor units
ERRORS
  CARTARGS      an argument or a rule is missing
  CARTKEYS      the keys are not those of one user, or hold another type
  CARTUSER      the user's id is empty or holds a brace
  CARTREQUEST   the request id is empty, too long, or was used for another request
  CARTVERSION   the cart is at another version
FLAGS
  allow-oom
]]
local call = redis.call
-- include: whole_number
-- include: digits
-- include: now
-- include: cart_arguments
-- include: cart_keys
-- include: cart_seen
-- include: cart_parse_line
-- include: cart_totals
-- include: cart_read
-- include: cart_save
-- include: cart_merge_request
-- include: cart_version
-- include: cart_metrics
-- include: cart_countable

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local request_id, version = ARGV[1], ARGV[2]
local refused = check_arguments(2, 4) or check_keys({ "cart", "seen", "metrics" })
if refused then
    return refused
end
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[3], ARGV[4]
local seen_ttl_seconds, maximum_seen = ARGV[5], tonumber(ARGV[6])

local digest = digest_of("clear_cart", 2, ARGV)
local known, held_ids = recall(seen_key, request_id, digest)
if known then
    return known
end

local cart
cart, refused = read_cart(cart_key)
if refused then
    return refused
end
refused = check_version(cart, version)
if refused then
    return refused
end
local skus = {}
for sku in pairs(cart.lines) do
    skus[#skus + 1] = sku
end
cart.lines = {}
-- The last step of a merge: the next lines are new ones, and not a change of those that went away.
local user_id = string.match(cart_key, "{(.*)}")
if request_id == merge_request(user_id, cart.since, cart.version) then
    cart.since = math.max(now(), cart.since + 1)
end

refused = check_countable(metrics_key, "cleared")
if refused then
    return refused
end
-- Redis 6.2 has no allow-oom, but lets a script go on whose first write needs no memory.
call("EXPIRE", cart_key, cart_ttl_seconds)
refused = count_metric(metrics_key, "cleared", metrics_ttl_seconds)
if refused then
    return refused
end
local answer = save_cart(cart_key, cart, skus, cart_ttl_seconds)
return remember(
    seen_key, held_ids, request_id, digest, answer, seen_ttl_seconds, maximum_seen
)
