-- A whole number from lowest to highest, or nil. Text must be plain digits: tonumber() alone would
-- also take "1e3", "0x10" and " 7 ". Nothing past 2^53 - 1 gets through: a Lua number is a double.
local function whole_number(value, lowest, highest)
    if type(value) == "string" then
        value = #value <= 16 and string.find(value, "^%d+$") and tonumber(value)
    end
    if type(value) ~= "number" or value % 1 ~= 0 then
        return nil
    end
    if value < lowest or value > (highest or 2 ^ 53 - 1) then
        return nil
    end
    return value
end
