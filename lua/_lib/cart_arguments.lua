-- Texts and, after them, the manifest's numbers: refused unless all are there, since a missing
-- number would be noticed only by the write that needs it, after others are done.
local function check_arguments(texts, numbers)
    if #ARGV ~= texts + numbers then
        return redis.error_reply("CARTARGS expected " .. texts + numbers
            .. " arguments, the rules among them, got " .. #ARGV)
    end
    for position = texts + 1, #ARGV do
        if not whole_number(ARGV[position], 1) then
            return redis.error_reply("CARTARGS argument " .. position
                .. ", a rule, is not a whole number above 0")
        end
    end
    return nil
end
