-- What is personal stays in its columns, and leaves them when it is asked to.

-- test: neither outbox nor audit nor history nor stored answers hold what is personal
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Zebulon', '{"line_1": "9 Zebulon Road"}', 'GB', 'zebulon@example.com', '+44 7700 900123'
);
SELECT orders.confirm_order(901, o.id) FROM orders.orders AS o WHERE o.user_id = 901;
SELECT orders.record_parcel(901, o.id, 1, 'post', 'ZEBULON1')
FROM orders.orders AS o WHERE o.user_id = 901;
SELECT orders.add_order_note(901, o.id, o.id, 'staff', 'Zebulon called.')
FROM orders.orders AS o WHERE o.user_id = 901;
SELECT 'outbox_events' AS place FROM orders.outbox_events AS e
WHERE e::text ~* 'zebulon|900123' OR e.payload ? 'user_id'
UNION ALL
SELECT 'row_changes' FROM audit.row_changes AS c
WHERE c::text ~* 'zebulon|900123' OR c.changes ->> 'user_id' ~ '901'
UNION ALL
SELECT 'order_status_history' FROM orders.order_status_history AS h WHERE h::text ~* 'zebulon'
UNION ALL
SELECT 'idempotency_keys' FROM orders.idempotency_keys AS k WHERE k::text ~* 'zebulon|900123'
UNION ALL
SELECT 'nothing was written' WHERE NOT EXISTS (
    SELECT FROM audit.row_changes AS c
    WHERE c.table_name = 'orders.orders' AND c.changes #>> '{recipient_name,new_hmac}' <> ''
);

-- test: erasing a person keeps the order and its amounts, and takes the person out
SELECT orders.create_order(
    901, 'k', 'USD', '[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]',
    'Zebulon', '{"line_1": "9 Zebulon Road"}', 'GB', 'zebulon@example.com', '+44 7700 900123'
);
SELECT orders.record_parcel(901, o.id, 1, 'post', 'ZEBULON1')
FROM orders.orders AS o WHERE o.user_id = 901;
SELECT orders.add_order_note(901, o.id, o.id, 'staff', 'Zebulon called.')
FROM orders.orders AS o WHERE o.user_id = 901;
SELECT ops.erase_personal_data('901');
SELECT 'orders' AS place FROM orders.orders AS o
WHERE o::text ~* 'zebulon|900123' OR o.user_id = 901
UNION ALL
SELECT 'order_notes' FROM orders.order_notes AS n WHERE n.body ~* 'zebulon'
UNION ALL
SELECT 'order_fulfillment' FROM orders.order_fulfillment AS f WHERE f.tracking_number ~* 'zebulon'
UNION ALL
SELECT 'idempotency_keys' FROM orders.idempotency_keys AS k WHERE k.user_id = 901
UNION ALL
SELECT 'order_pending_slots' FROM orders.order_pending_slots AS s WHERE s.user_id = 901
UNION ALL
SELECT 'the order is gone' WHERE NOT EXISTS (
    SELECT FROM orders.orders AS o WHERE o.created_at = now() AND o.total = 5000
);
