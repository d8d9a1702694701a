-- The first answer to each of a user's last requests, so that a retry changes nothing and gets it
-- again. A hash of its own, so that clearing the cart forgets none. Fields:
--   id:<request_id>  <digest of the request> <answer, each value followed by a bar>
--   at:<number>      request id, numbered in order of arrival
--   first, next      the numbers held: first to next - 1
local function digest_of(script, given, values)
    local parts = { script }
    for position = 1, given do
        parts[#parts + 1] = #values[position] .. ":" .. values[position]
    end
    return string.sub(redis.sha1hex(table.concat(parts, " ")), 1, 16)
end

-- The answer to a request that was done, or the refusal of one that is another under the same id;
-- and, for remember, the numbers held.
local function recall(seen_key, request_id, digest)
    if request_id == "" or #request_id > 128 then
        return redis.error_reply("CARTREQUEST the request id is not 1 to 128 bytes")
    end
    local held = redis.pcall("HMGET", seen_key, "id:" .. request_id, "first", "next")
    if held.err then
        return redis.error_reply("CARTKEYS the request ids' key holds another type")
    end
    local entry = held[1]
    if not entry then
        return nil, { first = tonumber(held[2]) or 1, next = tonumber(held[3]) or 1 }
    end
    local known, text = string.match(entry, "^(%x+) (.*)$")
    if known ~= digest then
        return redis.error_reply("CARTREQUEST the request id was used for another request")
    end
    local answer = {}
    for part in string.gmatch(text, "([^|]*)|") do
        answer[#answer + 1] = string.find(part, "^%d+$") and tonumber(part) or part
    end
    return answer
end

local function remember(seen_key, held, request_id, digest, answer, seen_ttl_seconds, maximum_seen)
    local parts = { digest, " " }
    for _, value in ipairs(answer) do
        parts[#parts + 1] = type(value) == "number" and digits(value) or value
        parts[#parts + 1] = "|"
    end
    -- One round each time; more only after maximum_seen was lowered.
    while held.next - held.first >= maximum_seen do
        local at = "at:" .. digits(held.first)
        call("HDEL", seen_key, at, "id:" .. (call("HGET", seen_key, at) or ""))
        held.first = held.first + 1
    end
    call("HSET", seen_key, "id:" .. request_id, table.concat(parts),
        "at:" .. digits(held.next), request_id,
        "first", digits(held.first), "next", digits(held.next + 1))
    call("EXPIRE", seen_key, seen_ttl_seconds)
    return answer
end
