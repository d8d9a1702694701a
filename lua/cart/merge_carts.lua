--[[
merge_carts: add the lines of a guest's cart, as get_cart read them, to a user's cart: all or none.
A guest who was merged before, and not cleared since, brings only what changed: what the earlier
merge put into a changed line is taken out first. A sum over the limit is capped; prices are the
guest's. The request's id is merge:<guest_id>:<since>:<version>.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<day:date>
ARGV
  1 guest_id    text      whose cart was read
  2 since       integer   of the guest's cart
  3 version     integer   of the guest's cart
  4 items       list(sku text, quantity integer, unit_price integer)   of the guest's cart
  5 currency    text      of the guest's cart; empty without a line
RULES
  currencies (JPY=0 USD=2),
  maximum_lines, maximum_quantity, cart_ttl_seconds, metrics_ttl_seconds, seen_ttl_seconds,
  maximum_seen, maximum_merged
RETURNS
  version       integer
  lines         integer
  quantity      integer   of all lines
  currency      text      empty without a line
  total         integer   minor units
  capped        integer   lines of the guest that were cut to the limit
ERRORS
  CARTARGS      an argument or a rule is missing
  CARTKEYS      the keys are not those of one user, or hold another type
  CARTUSER      an id is empty or holds a brace, or the guest is the user
  CARTREQUEST   the guest's id is too long, or this version of the guest's cart had other lines
  CARTVERSION   since or version is no whole number, or the guest was merged at a later one
  CARTPAYLOAD   not a JSON array of [sku, quantity, unit_price], or over 32 KiB
  CARTSKU       a SKU is empty, too long, or holds a control character
  CARTQTY       a quantity of the guest is not a whole number from 1 to <maximum_quantity>
  CARTPRICE     a price is not a whole number from 0 to 2^53 - 1
  CARTCURRENCY  nothing is sold in it, or it is not the cart's currency
  CARTFULL      the carts have more than <maximum_lines> lines together
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
-- include: cart_read
-- include: cart_save
-- include: cart_line
-- include: cart_payload
-- include: cart_lines_text
-- include: cart_guest
-- include: cart_merge_request
-- include: cart_merged
-- include: cart_exchange
-- include: cart_currency
-- include: cart_total
-- include: cart_metrics

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local guest_id, since, version = ARGV[1], ARGV[2], ARGV[3]
local items, currency = ARGV[4], ARGV[5]
local refused = check_arguments(6, 7) or check_keys({ "cart", "seen", "metrics" })
    or check_guest(cart_key, guest_id, since, version)
if refused then
    return refused
end
local currencies, maximum_lines, maximum_quantity = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[9], ARGV[10]
local seen_ttl_seconds = ARGV[11]
local maximum_seen, maximum_merged = tonumber(ARGV[12]), tonumber(ARGV[13])

local lines
lines, refused = read_payload(items, maximum_lines, maximum_quantity)
if refused then
    return refused
end
local guest = { id = guest_id, since = tonumber(since), version = tonumber(version) }
local offered = totals_of(lines)
local request_id = merge_request(guest.id, guest.since, guest.version)
-- Of what the items say, and not of their bytes: another client may write the JSON another way.
local digest = digest_of("merge_carts", 2, { currency, text_of(lines) })
local known, held_ids = recall(seen_key, request_id, digest)
if known then
    return known
end

local cart
cart, refused = read_cart(cart_key)
if refused then
    return refused
end
local before = totals_of(cart.lines)
local brought = brought_by(cart, guest.id) or { since = -1 }
local is_same_cart = guest.since == brought.since
if guest.since < brought.since or is_same_cart and guest.version < brought.version then
    return redis.error_reply("CARTVERSION the guest's cart was merged at a later version")
end
local changed, capped = exchange_lines(
    cart, is_same_cart and brought.lines or {}, lines, currency, maximum_quantity
)
local after, quantity, total = totals_of(cart.lines)
if #changed == 0 and offered == 0 then
    return { cart.version, after, quantity, cart.currency, total, 0 }
end
if after > before and after > maximum_lines then
    return redis.error_reply("CARTFULL the carts have " .. after .. " lines together, a cart "
        .. maximum_lines .. " at most")
end
if offered > 0 then
    refused = check_currency(cart, currency, currencies) or check_total(cart)
    if refused then
        return refused
    end
    cart.currency = currency
end

refused = count_metric(metrics_key, "merged", metrics_ttl_seconds)
if refused then
    return refused
end
keep_brought(cart_key, cart, guest, lines, currency, maximum_merged)
local answer = save_cart(cart_key, cart, changed, cart_ttl_seconds)
answer[6] = capped
return remember(
    seen_key, held_ids, request_id, digest, answer, seen_ttl_seconds, maximum_seen
)
