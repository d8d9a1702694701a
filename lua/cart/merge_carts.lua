--[[
merge_carts: add the lines of a guest's cart, as get_cart read them, to a user's cart: all or
none. A sum over the limit is capped; prices are the payload's.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 metrics     cart:metrics:{<user_id>}:<YYYY-MM-DD>
ARGV
  1 request_id  the guest's id and the version that was read: merge:<guest_id>:<version>
  2 payload     JSON array of [sku, quantity, unit_price]: the items of get_cart
  3 currency    of the payload, three capital letters
RULES
  maximum_lines, maximum_quantity, cart_ttl_seconds, metrics_ttl_seconds, seen_ttl_seconds,
  maximum_seen
RETURNS
  version, lines, quantity, currency, total (minor units), capped (lines cut to the limit)
ERRORS
  CARTARGS      an argument or a rule is missing
  CARTKEYS      the keys are not those of one user, or hold another type
  CARTUSER      the user's id is empty or holds a brace
  CARTREQUEST   the request id is empty, too long, or was used for another request
  CARTPAYLOAD   not a JSON array of [sku, quantity, unit_price], or over 32 KiB
  CARTSKU       a SKU is empty, too long, or holds a control character
  CARTQTY       a quantity of the payload is not a whole number from 1 to <maximum_quantity>
  CARTPRICE     a price is not a whole number from 0 to 2^53 - 1
  CARTCURRENCY  not three capital letters, or not the cart's currency
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
-- include: cart_read
-- include: cart_save
-- include: cart_line
-- include: cart_currency
-- include: cart_total
-- include: cart_metrics

local cart_key, seen_key, metrics_key = KEYS[1], KEYS[2], KEYS[3]
local request_id, payload, currency = ARGV[1], ARGV[2], ARGV[3]
local refused = check_arguments(3, 6) or check_keys({ "cart", "seen", "metrics" })
if refused then
    return refused
end
local maximum_lines, maximum_quantity = tonumber(ARGV[4]), tonumber(ARGV[5])
local cart_ttl_seconds, metrics_ttl_seconds = ARGV[6], ARGV[7]
local seen_ttl_seconds, maximum_seen = ARGV[8], tonumber(ARGV[9])

local digest = digest_of("merge_carts", 3)
local known = recall(seen_key, request_id, digest)
if known then
    return known
end

local readable, items = false, nil
if #payload <= 32768 and string.find(payload, "^%s*%[") then
    readable, items = pcall(cjson.decode, payload)
end
if not readable then
    return redis.error_reply("CARTPAYLOAD the payload is not a JSON array of at most 32 KiB")
end
local cart = read_cart(cart_key)
local before = totals_of(cart.lines)
if #items > maximum_lines then
    return redis.error_reply("CARTFULL a cart holds " .. maximum_lines .. " lines at most")
end
local skus, capped = {}, {}
for position, item in ipairs(items) do
    if type(item) ~= "table" or #item ~= 3 then
        return redis.error_reply("CARTPAYLOAD item " .. position
            .. " is not [sku, quantity, unit_price]")
    end
    local sku, quantity, unit_price = item[1], item[2], item[3]
    refused = check_line(sku, quantity, unit_price, maximum_quantity)
    if refused then
        return refused
    end
    local held = cart.lines[sku] and cart.lines[sku].quantity or 0
    local sum = held + tonumber(quantity)
    if sum > maximum_quantity then
        capped[sku] = true
    end
    -- A line that is over the limit already (the limit was lowered) keeps what it holds.
    sum = math.max(held, math.min(sum, maximum_quantity))
    cart.lines[sku] = { quantity = sum, unit_price = tonumber(unit_price) }
    skus[position] = sku
end
local after = totals_of(cart.lines)
if after > before and after > maximum_lines then
    return redis.error_reply("CARTFULL the carts have " .. after .. " lines together, a cart "
        .. maximum_lines .. " at most")
end
refused = check_currency(cart, currency) or check_total(cart.lines)
if refused then
    return refused
end
cart.currency = currency

count_metric(metrics_key, "merged", metrics_ttl_seconds)
local answer = save_cart(cart_key, cart, skus, cart_ttl_seconds)
answer[6] = 0
for _ in pairs(capped) do
    answer[6] = answer[6] + 1
end
return remember(seen_key, request_id, digest, answer, seen_ttl_seconds, maximum_seen)
