-- The id of the request that merges this reading of a guest's cart, and of the one that clears it.
local function merge_request(guest_id, since, version)
    return "merge:" .. guest_id .. ":" .. digits(since) .. ":" .. digits(version)
end
