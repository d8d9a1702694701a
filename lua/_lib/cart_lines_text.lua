-- The lines as one text, the same for the same lines.
local function text_of(lines)
    local parts = {}
    for sku, line in pairs(lines) do
        parts[#parts + 1] = digits(line.quantity) .. "|" .. digits(line.unit_price) .. "|" .. sku
    end
    table.sort(parts)
    return table.concat(parts, "\n")
end
