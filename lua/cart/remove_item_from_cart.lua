--[[
remove_item_from_cart: take one line out of a user's cart.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 request_id  text      1 to 128 bytes, the same on every retry of this request
  2 sku         text      of the line
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
  CARTLINE      the cart has no line of this SKU
FLAGS
  (none)
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
-- include: cart_read_line
-- include: cart_save
-- include: cart_metrics

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local request_id, sku = ARGV[1], ARGV[2]
local refused = check_arguments(2, 4) or check_keys({ "cart", "seen", "metrics" })
if refused then
    return refused
end
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[3], ARGV[4]
local seen_ttl_seconds, maximum_seen = ARGV[5], tonumber(ARGV[6])

local digest = digest_of("remove_item_from_cart", 2, ARGV)
local known, held_ids = recall(seen_key, request_id, digest)
if known then
    return known
end

local cart
cart, refused = read_line(cart_key, sku)
if refused then
    return refused
end
if not cart.lines[sku] then
    return redis.error_reply("CARTLINE the cart has no line of this SKU")
end
cart.lines[sku] = nil

refused = count_metric(metrics_key, "removed", metrics_ttl_seconds)
if refused then
    return refused
end
local answer = save_cart(cart_key, cart, { sku }, cart_ttl_seconds)
return remember(
    seen_key, held_ids, request_id, digest, answer, seen_ttl_seconds, maximum_seen
)
