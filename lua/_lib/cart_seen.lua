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

local function recall(seen_key, request_id, digest)
    if request_id == "" or #request_id > 128 then
        return redis.error_reply("CARTREQUEST the request id is not 1 to 128 bytes")
    end
    local entry = call("HGET", seen_key, "id:" .. request_id)
    if not entry then
        return nil
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

local function remember(seen_key, request_id, digest, answer, seen_ttl_seconds, maximum_seen)
    local parts = {}
    for position, value in ipairs(answer) do
        parts[position] = (type(value) == "number" and digits(value) or value) .. "|"
    end
    local held = call("HMGET", seen_key, "first", "next")
    local first, next_number = tonumber(held[1]) or 1, tonumber(held[2]) or 1
    local entry = digest .. " " .. table.concat(parts)
    call("HSET", seen_key, "id:" .. request_id, entry, "at:" .. digits(next_number), request_id)
    -- One round each time; more only after maximum_seen was lowered.
    while next_number - first >= maximum_seen do
        local oldest = call("HGET", seen_key, "at:" .. digits(first))
        call("HDEL", seen_key, "at:" .. digits(first), "id:" .. (oldest or ""))
        first = first + 1
    end
    call("HSET", seen_key, "first", digits(first), "next", digits(next_number + 1))
    call("EXPIRE", seen_key, seen_ttl_seconds)
    return answer
end
