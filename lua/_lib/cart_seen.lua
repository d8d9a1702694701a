-- The first answer to each of a user's last requests, so that a retry changes nothing and gets it
-- again. A string of its own, so that clearing the cart forgets none: a record a request, the last
-- at the end, all of one length, so that the last ones are read and appended to without the others.
--   a newline, 32 digits of the SHA-1 of the request's id, 16 of the request's, a space,
--   the answer, each value followed by a bar, and spaces
local record_bytes, answer_bytes = 144, 94

local function digest_of(script, given, values)
    local parts = { script }
    for position = 1, given do
        parts[#parts + 1] = #values[position] .. ":" .. values[position]
    end
    return string.sub(redis.sha1hex(table.concat(parts, " ")), 1, 16)
end

-- The answer to a request that was done, or the refusal of one that is another under the same id;
-- and, for remember, what stands for the id.
local function recall(seen_key, request_id, digest, maximum_seen)
    if request_id == "" or #request_id > 128 then
        return redis.error_reply("CARTREQUEST the request id is not 1 to 128 bytes")
    end
    local held = redis.pcall("GETRANGE", seen_key, digits(-record_bytes * maximum_seen), "-1")
    if type(held) == "table" or #held % record_bytes > 0 then
        return redis.error_reply("CARTKEYS the request ids' key holds something else")
    end
    local id = "\n" .. string.sub(redis.sha1hex(request_id), 1, 32)
    local at = string.find(held, id, 1, true)
    if not at then
        return nil, id
    end
    local known, text = string.match(held, "^(%x+) ([^ ]*)", at + #id)
    if known ~= digest then
        return redis.error_reply("CARTREQUEST the request id was used for another request")
    end
    local answer = {}
    for part in string.gmatch(text, "([^|]*)|") do
        answer[#answer + 1] = string.find(part, "^%d+$") and tonumber(part) or part
    end
    return answer
end

local function remember(seen_key, id, digest, answer, seen_ttl_seconds, maximum_seen)
    local parts = {}
    for _, value in ipairs(answer) do
        parts[#parts + 1] = type(value) == "number" and digits(value) or value
        parts[#parts + 1] = "|"
    end
    local text = table.concat(parts)
    local bytes = call("APPEND", seen_key,
        id .. digest .. " " .. text .. string.rep(" ", answer_bytes - #text))
    if bytes >= 2 * record_bytes * maximum_seen then
        call("SET", seen_key,
            call("GETRANGE", seen_key, digits(-record_bytes * maximum_seen), "-1"))
    end
    call("EXPIRE", seen_key, seen_ttl_seconds)
    return answer
end
