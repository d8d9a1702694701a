-- What an order may be: the limits of the manifest, told all at once, and held on every path.

-- test: a good order breaks no rule
SELECT *
FROM orders.validate_order_business_rules(
    1, 'USD', '[{"product_id": 1, "product_name": "Lamp", "quantity": 1, "unit_price": 1000}]'
);

-- test: every rule that an order breaks is named in one answer
WITH broken AS (
    SELECT array_agg(v.code || ' ' || v.limit_value || ' ' || v.actual_value) AS answer
    FROM orders.validate_order_business_rules(
        1,
        'USD',
        (
            SELECT jsonb_agg(
                '{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 1}'::jsonb
            )
            FROM generate_series(1, 51)
        ) || '[{"product_id": 1, "product_name": "A", "quantity": 0, "unit_price": 1}, 7]'
    ) AS v
)

SELECT b.answer
FROM broken AS b
WHERE b.answer IS DISTINCT FROM ARRAY[
    'SH001 1000 51', 'SH003 50 53', 'SH007 quantity line 52', 'SH007 product_id line 53'
];

-- test: a total above the maximum is named with its limit
SELECT v.*
FROM (VALUES (1)) AS one (n)
LEFT JOIN orders.validate_order_business_rules(
    1, 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 2, "unit_price": 500001}]'
) AS v ON TRUE
WHERE (v.code, v.limit_value, v.actual_value) IS DISTINCT FROM ('SH002', '1000000', '1000002');

-- test: limits are of the currency, in its minor unit
SELECT c.currency
FROM (VALUES ('JPY', 1499, 'SH001'), ('KWD', 3000, NULL), ('JPY', 1500, NULL)) AS c (
    currency, price, code
)
LEFT JOIN LATERAL orders.validate_order_business_rules(
    1, c.currency, jsonb_build_array(
        jsonb_build_object(
            'product_id', 1, 'product_name', 'A', 'quantity', 1, 'unit_price', c.price
        )
    )
) AS v ON TRUE
WHERE v.code IS DISTINCT FROM c.code;

-- test: items that are no list of lines are no lines
SELECT v.items
FROM (VALUES (NULL::jsonb), ('{}'), ('[]'), ('"x"')) AS v (items)
WHERE NOT EXISTS (
    SELECT FROM orders.validate_order_business_rules(1, 'USD', v.items) AS r WHERE r.code = 'SH004'
);

-- test: a line is refused for the first field that can't be read
SELECT f.item, r.actual_value
FROM (
    VALUES
    ('{"product_id": 0}', 'product_id'),
    ('{"product_id": 1.5}', 'product_id'),
    ('{"product_id": 1, "product_name": ""}', 'product_name'),
    ('{"product_id": 1, "product_name": "A", "quantity": 1000000}', 'quantity'),
    ('{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": -1}', 'unit_price'),
    (
        '{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5, "discount": 6}',
        'discount'
    ),
    (
        '{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5, "tax_rate": 1.2}',
        'tax_rate'
    )
) AS f (item, field)
LEFT JOIN LATERAL orders.validate_order_business_rules(
    1, 'USD', jsonb_build_array(f.item::jsonb)
) AS r ON r.code = 'SH007'
WHERE r.limit_value IS DISTINCT FROM f.field;

-- test: a refused order leaves nothing behind, and its key is free again
SELECT o.outcome
FROM orders.create_order(
    901, 'again', 'USD', '[]', 'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
) AS o
WHERE o.outcome <> 'refused' OR o.violations -> 0 ->> 'code' <> 'SH001' OR o.order_id IS NOT NULL;
SELECT 'left'
FROM orders.idempotency_keys AS k
FULL JOIN orders.outbox_events AS e ON TRUE
WHERE k.user_id = 901 OR e.created_at = now();

-- test: rounding happens once, at the line, half away from zero
SELECT orders.create_order(
    1, 'k', 'USD',
    '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 550, "tax_rate": 0.05},
      {"product_id": 2, "product_name": "B", "quantity": 1, "unit_price": 550, "tax_rate": 0.05}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT o.tax, o.total
FROM orders.orders AS o
WHERE o.user_id = 1 AND o.created_at = now() AND (o.tax, o.total) IS DISTINCT FROM (56, 1156);

-- test: below the minimum there is no way around the function
-- raises: SH001
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'USD', 1, 999, 0, 0, 999, 'A', '{}', 'GB', 'a@example.com');

-- test: above the maximum there is no way around the function
-- raises: SH002
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'USD', 1, 1000001, 0, 0, 1000001, 'A', '{}', 'GB', 'a@example.com');

-- test: with too many lines there is no way around the function
-- raises: SH003
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'USD', 51, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com');

-- test: without lines there is no way around the function
-- raises: SH004
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'USD', 0, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com');

-- test: the sixth pending order has no slot, whatever wrote it
-- raises: SH005
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
SELECT 777, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com'
FROM generate_series(1, 6);

-- test: a currency without a minimum and a maximum is refused
-- raises: SH006
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'XXX', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com');

-- test: totals that are not those of the lines are refused at commit
-- raises: SH008
INSERT INTO orders.orders (
    user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com');
SET CONSTRAINTS ALL IMMEDIATE;

-- test: a line that is taken off later is refused at commit
-- raises: SH008
SELECT orders.create_order(
    1, 'k', 'USD',
    '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000},
      {"product_id": 2, "product_name": "B", "quantity": 1, "unit_price": 0}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SET CONSTRAINTS ALL IMMEDIATE;
DELETE FROM orders.order_items WHERE product_id = 2 AND unit_price = 0;

-- test: a total that moves without its lines is refused at commit
-- raises: SH008
SELECT orders.create_order(
    1, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE orders.orders SET subtotal = 4000, total = 4000 WHERE created_at = now();

-- test: an id that is no time-ordered uuid can't pick a partition
-- raises: SH018
INSERT INTO orders.orders (
    id, user_id, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (
    ops.id_floor(now() - interval '2 days'), 1, 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB',
    'a@example.com'
);

-- test: an order isn't given to another user, whose slots it would not take
-- raises: SH021
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET user_id = 902 WHERE user_id = 901;

-- test: an order gets no more time
-- raises: SH021
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET expires_at = expires_at + interval '1 second' WHERE user_id = 901;

-- test: an order keeps its number
-- raises: SH021
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET order_number = '0000000000' WHERE user_id = 901;

-- test: an order may have less time, and a pseudonym for its user
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET expires_at = now(), user_id = -5 WHERE user_id = 901;
SELECT o.expires_at
FROM (VALUES (-5)) AS u (id)
LEFT JOIN orders.orders AS o ON o.user_id = u.id
WHERE o.expires_at IS DISTINCT FROM now();

-- test: the exponent of a currency in use is fixed
-- raises: SH019
SELECT orders.create_order(
    1, 'k', 'KWD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'KW', 'ada@example.com'
);
UPDATE orders.currencies SET exponent = 2 WHERE code = 'KWD';

-- test: the exponent of a currency that nobody used may be mended
INSERT INTO orders.currencies (code, exponent) VALUES ('CHF', 3);
UPDATE orders.currencies SET exponent = 2 WHERE code = 'CHF';
SELECT c.code FROM orders.currencies AS c WHERE c.code = 'CHF' AND c.exponent <> 2;

-- test: a batch of nothing is refused
-- raises: SH020
SELECT orders.cleanup_expired_orders(0);

-- test: order numbers can't be mistaken for one another
SELECT n.number
FROM (SELECT orders.new_order_number() AS number FROM generate_series(1, 200)) AS n
WHERE n.number !~ '^[0-9A-HJKMNP-TV-Z]{10}$';
