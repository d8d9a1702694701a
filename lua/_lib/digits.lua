-- A whole number as text, exact to 2^53 (tostring() keeps 14 digits).
local function digits(number)
    return string.format("%.0f", number)
end
