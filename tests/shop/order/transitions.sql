-- Where an order may go, what each move writes, and who may make it.

-- test: each move is in the history and in the outbox, with the version it made
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT t.*
FROM orders.orders AS o
CROSS JOIN LATERAL orders.confirm_order(901, o.id) AS c
CROSS JOIN LATERAL orders.transition_order(
    901, o.id, 'processing', 'picked', 'staff', c.version
) AS t
WHERE o.user_id = 901;
SELECT h.moves, e.types
FROM (
    SELECT
        array_agg(
            format('%s>%s %s %s', s.from_state, s.to_state, s.order_version, s.reason)
            ORDER BY s.order_version
        ) AS moves
    FROM orders.order_status_history AS s
    INNER JOIN orders.orders AS o ON s.order_id = o.id
    WHERE o.user_id = 901
) AS h
CROSS JOIN (
    SELECT array_agg(v.type || ' ' || (v.payload ->> 'version') ORDER BY v.key_seq) AS types
    FROM orders.outbox_events AS v
    WHERE v.partition_key = (SELECT o.id::text FROM orders.orders AS o WHERE o.user_id = 901)
) AS e
WHERE
    h.moves IS DISTINCT FROM ARRAY[
        'new>pending 1 order_placed', 'pending>confirmed 2 payment_authorized',
        'confirmed>processing 3 picked'
    ]
    OR e.types IS DISTINCT FROM ARRAY['order.created 1', 'order.confirmed 2', 'order.processing 3'];

-- test: a move that there is none of is refused
-- raises: SH009
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.transition_order(901, o.id, 'shipped', 'picked', 'staff')
FROM orders.orders AS o WHERE o.user_id = 901;

-- test: a hand-written move that there is none of is refused
-- raises: SH009
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET state = 'delivered' WHERE user_id = 901;

-- test: an order can't begin anywhere but pending
-- raises: SH009
INSERT INTO orders.orders (
    user_id, state, currency, item_count, subtotal, discount, tax, total,
    recipient_name, shipping_address, shipping_country, contact_email
)
VALUES (1, 'confirmed', 'USD', 1, 5000, 0, 0, 5000, 'A', '{}', 'GB', 'a@example.com');

-- test: whoever read an older version can't change the order
-- raises: SH010
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.confirm_order(901, o.id) FROM orders.orders AS o WHERE o.user_id = 901;
SELECT orders.transition_order(901, o.id, 'processing', 'picked', 'staff', 1)
FROM orders.orders AS o WHERE o.user_id = 901;

-- test: a hand-written confirmation of an overdue order is refused
-- raises: SH011
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET expires_at = now() WHERE user_id = 901;
UPDATE orders.orders SET state = 'confirmed' WHERE user_id = 901;

-- test: confirming an overdue order expires it, and says so each time
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.orders SET expires_at = now() WHERE user_id = 901;
SELECT c.outcome, again.outcome
FROM orders.orders AS o
CROSS JOIN LATERAL orders.confirm_order(901, o.id) AS c
CROSS JOIN LATERAL orders.confirm_order(901, o.id) AS again
WHERE
    o.user_id = 901
    AND (c.outcome, c.state, again.outcome) IS DISTINCT FROM ('expired', 'expired', 'expired');

-- test: an order can't expire before its time
-- raises: SH012
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.transition_order(901, o.id, 'expired', 'hurry', 'staff')
FROM orders.orders AS o WHERE o.user_id = 901;

-- test: another user's order is none
-- raises: SH013
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.cancel_order(902, o.id) FROM orders.orders AS o WHERE o.user_id = 901;

-- test: a repeated confirmation and a repeated cancellation change nothing
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT a.outcome, b.outcome, c.outcome, d.outcome, d.version
FROM orders.orders AS o
CROSS JOIN LATERAL orders.confirm_order(901, o.id) AS a
CROSS JOIN LATERAL orders.confirm_order(901, o.id) AS b
CROSS JOIN LATERAL orders.cancel_order(901, o.id) AS c
CROSS JOIN LATERAL orders.cancel_order(901, o.id) AS d
WHERE
    o.user_id = 901
    AND (a.outcome, b.outcome, c.outcome, d.outcome, d.version)
    IS DISTINCT FROM ('confirmed', 'unchanged', 'cancelled', 'unchanged', 3);

-- test: a move to where the order stands changes nothing, whatever version is expected
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT t.outcome, t.version
FROM orders.orders AS o
CROSS JOIN LATERAL orders.transition_order(901, o.id, 'pending', 'again', 'staff', 9) AS t
WHERE o.user_id = 901 AND (t.outcome, t.version) IS DISTINCT FROM ('unchanged', 1);

-- test: an order that leaves pending gives its slot back
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.confirm_order(901, o.id) FROM orders.orders AS o WHERE o.user_id = 901;
SELECT s.* FROM orders.order_pending_slots AS s WHERE s.user_id = 901;

-- test: a user's overdue orders do not stand in the way of a new one
SELECT orders.create_order(
    901, n.n::text, 'USD',
    '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
)
FROM generate_series(1, 5) AS n (n);
UPDATE orders.orders SET expires_at = now() WHERE user_id = 901;
SELECT c.outcome
FROM orders.create_order(
    901, 'sixth', 'USD',
    '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
) AS c
WHERE c.outcome <> 'created';

-- test: the sweeper expires what is overdue, the oldest first, and nothing else
SELECT orders.create_order(
    901, n.n::text, 'USD',
    '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
)
FROM generate_series(1, 4) AS n (n);
UPDATE orders.orders AS o
SET expires_at = now() - s.slot * interval '1 day'
FROM orders.order_pending_slots AS s
WHERE s.order_id = o.id AND o.user_id = 901 AND s.slot <= 3;
SELECT orders.cleanup_expired_orders(2);
SELECT left_over.slots
FROM (
    SELECT array_agg(s.slot ORDER BY s.slot) AS slots
    FROM orders.order_pending_slots AS s
    WHERE s.user_id = 901
) AS left_over
WHERE left_over.slots IS DISTINCT FROM ARRAY[1, 4];

-- test: history can't be rewritten
-- raises: SH017
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
UPDATE orders.order_status_history SET reason = 'forged';

-- test: history can't be emptied
-- raises: SH017
TRUNCATE orders.order_status_history;

-- test: a reason is a code, never a sentence
-- raises: SH481
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT orders.cancel_order(901, o.id, 'Ada Lovelace telephoned')
FROM orders.orders AS o WHERE o.user_id = 901;

-- test: a note is written once under its id, a parcel keeps what isn't told again
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT a.added, b.added, f.first_version, g.next_version
FROM orders.orders AS o
CROSS JOIN LATERAL orders.add_order_note(901, o.id, o.id, 'staff', 'Call first.') AS a (added)
CROSS JOIN LATERAL orders.add_order_note(901, o.id, o.id, 'staff', 'Other.') AS b (added)
CROSS JOIN LATERAL orders.record_parcel(901, o.id, 1, 'post', 'T1', now()) AS f (first_version)
CROSS JOIN LATERAL orders.record_parcel(901, o.id, 1, 'post') AS g (next_version)
WHERE
    o.user_id = 901
    AND (a.added, b.added, f.first_version, g.next_version) IS DISTINCT FROM (TRUE, FALSE, 1, 2);
SELECT d.document
FROM (
    SELECT orders.get_order(901, orders.find_order(901, o.order_number)) AS document
    FROM orders.orders AS o
    WHERE o.user_id = 901
) AS d
WHERE
    d.document #>> '{notes,0,body}' IS DISTINCT FROM 'Call first.'
    OR d.document #>> '{parcels,0,tracking_number}' IS DISTINCT FROM 'T1'
    OR d.document ->> 'recipient_name' IS DISTINCT FROM 'Ada';

-- test: a document or number of another user's order is NULL
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
);
SELECT o.id
FROM orders.orders AS o
WHERE
    o.user_id = 901
    AND (
        orders.get_order(902, o.id) IS NOT NULL
        OR orders.find_order(902, o.order_number) IS NOT NULL
    );
