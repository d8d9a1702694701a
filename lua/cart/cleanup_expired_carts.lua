--[[
cleanup_expired_carts: repair what never expires among one user's keys: a missing TTL, an orphaned
lock, old metrics. Changes nothing the second time.

KEYS
  1 cart        cart:{<user_id>}
  2 seen        cart:seen:{<user_id>}
  3 lock        cart:lock:{<user_id>}
  4.. metrics   cart:metrics:{<user_id>}:<day:date>, none to 200 of them
EACH
  cart, seen, lock, metrics
ARGV
RULES
  cart_ttl_seconds, seen_ttl_seconds, lock_ttl_seconds, metrics_ttl_seconds
RETURNS
  carts         integer   given a TTL or removed
  seen          integer   hashes of request ids
  locks         integer
  days          integer   of metrics
ERRORS
  CARTARGS      a rule is missing
  CARTKEYS      the keys are not those of one user, hold another type, or are over 203
  CARTUSER      the user's id is empty or holds a brace
FLAGS
  allow-oom
]]
local call = redis.call
-- include: whole_number
-- include: digits
-- include: now
-- include: cart_arguments
-- include: cart_keys
-- include: cart_types

local cart_key, seen_key, lock_key = KEYS[1], KEYS[2], KEYS[3]
local kinds = { "cart", "seen", "lock" }
for position = 4, math.min(#KEYS, 203) do
    kinds[position] = "metrics"
end
local refused = check_arguments(0, 4) or check_keys(kinds) or check_types(kinds)
if refused then
    return refused
end
local cart_ttl_seconds, seen_ttl_seconds = tonumber(ARGV[1]), tonumber(ARGV[2])
local lock_ttl_seconds, metrics_ttl_seconds = tonumber(ARGV[3]), tonumber(ARGV[4])
local seconds = math.floor(now() / 1000)

-- Give a key without a TTL this one, and remove it if that is past.
local function repair(key, ttl_seconds)
    if call("TTL", key) ~= -1 then
        return 0
    end
    return call("EXPIRE", key, digits(math.max(ttl_seconds, 0)))
end

-- Seconds from 1970 to the end of a day, by the calendar that begins in March.
local function end_of_day(year, month, day)
    if month < 3 then
        year, month = year - 1, month + 12
    end
    local leap_days = math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
    local days = 365 * year + leap_days + math.floor((153 * month - 457) / 5) + day - 719469
    return (days + 1) * 86400
end

-- A cart whose field says nothing is as old as this moment.
local updated_at = whole_number(call("HGET", cart_key, "updated_at"), 0) or now()
local carts = repair(cart_key, math.floor(updated_at / 1000) + cart_ttl_seconds - seconds)
local seen = repair(seen_key, seen_ttl_seconds)
-- Its holder, should there be one, keeps the lock for one more term.
local locks = repair(lock_key, lock_ttl_seconds)
local days = 0
for position = 4, #KEYS do
    local metrics_key = KEYS[position]
    local year, month, day = string.match(metrics_key, "(%d+)%-(%d+)%-(%d+)$")
    local ends = end_of_day(tonumber(year), tonumber(month), tonumber(day))
    local left = ends + metrics_ttl_seconds - seconds
    if left <= 0 then
        days = days + call("UNLINK", metrics_key)
    else
        days = days + repair(metrics_key, left)
    end
end
return { carts, seen, locks, days }
