--[[
add_item_to_cart: add a quantity of one product to a user's cart; a line that is there grows and
takes the new price.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 request_id  text      1 to 128 bytes, the same on every retry of this request
  2 sku         text      1 to 60 bytes without control characters
  3 quantity    integer   whole number, what is added
  4 unit_price  integer   minor units, to show: the order asks the product service again
  5 currency    text      three capital letters
RULES
  currencies (JPY=0 USD=2),
  maximum_lines, maximum_quantity, cart_ttl_seconds, metrics_ttl_seconds, seen_ttl_seconds,
  maximum_seen
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
  CARTSKU       the SKU is empty, too long, or holds a control character
  CARTQTY       the quantity, or what the line would hold, is not from 1 to <maximum_quantity>
  CARTPRICE     the price is not a whole number from 0 to 2^53 - 1
  CARTCURRENCY  nothing is sold in it, or it is not the cart's currency
  CARTFULL      the cart holds <maximum_lines> lines already
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
-- include: cart_line
-- include: cart_currency
-- include: cart_total
-- include: cart_metrics

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local request_id, sku = ARGV[1], ARGV[2]
local quantity, unit_price, currency = ARGV[3], ARGV[4], ARGV[5]
local refused = check_arguments(6, 6) or check_keys({ "cart", "seen", "metrics" })
if refused then
    return refused
end
local currencies, maximum_lines, maximum_quantity = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[9], ARGV[10]
local seen_ttl_seconds, maximum_seen = ARGV[11], tonumber(ARGV[12])

local digest = digest_of("add_item_to_cart", 5, ARGV)
local known, held_ids = recall(seen_key, request_id, digest)
known = known or check_line(sku, quantity, unit_price, maximum_quantity)
if known then
    return known
end

local cart
cart, refused = read_line(cart_key, sku)
if refused then
    return refused
end
local line = cart.lines[sku]
local held = line and line.quantity or 0
if held + tonumber(quantity) > maximum_quantity then
    return redis.error_reply("CARTQTY the line holds " .. held .. " and at most "
        .. maximum_quantity)
end
if not line and totals_of(cart.lines, cart.rest) >= maximum_lines then
    return redis.error_reply("CARTFULL the cart holds " .. maximum_lines .. " lines at most")
end
cart.lines[sku] = { quantity = held + tonumber(quantity), unit_price = tonumber(unit_price) }
refused = check_currency(cart, currency, currencies) or check_total(cart)
if refused then
    return refused
end
cart.currency = currency

refused = count_metric(metrics_key, "added", metrics_ttl_seconds)
if refused then
    return refused
end
local answer = save_cart(cart_key, cart, { sku }, cart_ttl_seconds)
return remember(
    seen_key, held_ids, request_id, digest, answer, seen_ttl_seconds, maximum_seen
)
