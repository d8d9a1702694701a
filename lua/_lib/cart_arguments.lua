-- The caller's arguments and, after them, the manifest's numbers: refused unless all are there,
-- since a missing number would be noticed only by the write that needs it, after others are done.
local function check_arguments(given, rules)
    if #ARGV ~= given + rules then
        return redis.error_reply("CARTARGS expected " .. given .. " arguments and " .. rules
            .. " rules, got " .. #ARGV .. " in all")
    end
    for position = given + 1, #ARGV do
        if not whole_number(ARGV[position], 1) then
            return redis.error_reply("CARTARGS rule " .. position - given
                .. " is not a whole number above 0")
        end
    end
    return nil
end
