--[[
update_item_quantity: set the quantity of a line that is in a user's cart.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 request_id  text      1 to 128 bytes, the same on every retry of this request
  2 sku         text      of the line
  3 quantity    integer   whole number from 1; remove_item_from_cart takes a line out
  4 version     integer?  of the cart as the caller saw it; empty: any
RULES
  maximum_quantity, cart_ttl_seconds, metrics_ttl_seconds, seen_ttl_seconds, maximum_seen
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
  CARTQTY       the quantity is not a whole number from 1 to <maximum_quantity>
  CARTVERSION   the cart is at another version
  CARTLINE      the cart has no line of this SKU
  CARTTOTAL     the total would pass 2^53 - 1
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
-- include: cart_version
-- include: cart_total
-- include: cart_metrics

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local request_id, sku, quantity, version = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local refused = check_arguments(4, 5) or check_keys({ "cart", "seen", "metrics" })
if refused then
    return refused
end
local maximum_quantity, cart_ttl_seconds = tonumber(ARGV[5]), ARGV[6]
local metrics_ttl_seconds, seen_ttl_seconds, maximum_seen = ARGV[7], ARGV[8], tonumber(ARGV[9])

local digest = digest_of("update_item_quantity", 4, ARGV)
local known, held_ids = recall(seen_key, request_id, digest)
if known then
    return known
end
if not whole_number(quantity, 1, maximum_quantity) then
    return redis.error_reply("CARTQTY the quantity is not a whole number from 1 to "
        .. maximum_quantity)
end

local cart
cart, refused = read_line(cart_key, sku)
if refused then
    return refused
end
refused = check_version(cart, version)
if refused then
    return refused
end
local line = cart.lines[sku]
if not line then
    return redis.error_reply("CARTLINE the cart has no line of this SKU")
end
line.quantity = tonumber(quantity)
refused = check_total(cart)
if refused then
    return refused
end

refused = count_metric(metrics_key, "updated", metrics_ttl_seconds)
if refused then
    return refused
end
local answer = save_cart(cart_key, cart, { sku }, cart_ttl_seconds)
return remember(
    seen_key, held_ids, request_id, digest, answer, seen_ttl_seconds, maximum_seen
)
