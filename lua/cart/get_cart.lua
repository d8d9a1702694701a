--[[
get_cart: read a user's cart; changes nothing, so it runs on a replica too.

KEYS
  1 cart        cart:{<user_id>}
ARGV
RULES
RETURNS
  version       integer   0: no cart
  lines         integer
  quantity      integer   of all lines
  currency      text      empty without a line
  total         integer   minor units
  updated_at    integer   milliseconds
  items         list(sku text, quantity integer, unit_price integer)   by SKU
  since         integer   milliseconds: when the cart began, or was last merged into another
ERRORS
  CARTARGS      there is an argument
  CARTKEYS      the key is not a cart's, or holds another type
  CARTUSER      the user's id is empty or holds a brace
FLAGS
  no-writes
]]
local call = redis.call
-- include: whole_number
-- include: cart_arguments
-- include: cart_keys
-- include: cart_parse_line
-- include: cart_totals
-- include: cart_read

local cart_key = KEYS[1]
local refused = check_arguments(0, 0) or check_keys({ "cart" })
if refused then
    return refused
end

local cart
cart, refused = read_cart(cart_key)
if refused then
    return refused
end
local lines, quantity, total = totals_of(cart.lines)
local items = {}
for sku, line in pairs(cart.lines) do
    items[#items + 1] = { sku, line.quantity, line.unit_price }
end
table.sort(items, function(left, right)
    return left[1] < right[1]
end)
return {
    cart.version, lines, quantity, cart.currency, total, cart.updated_at, items, cart.since,
}
