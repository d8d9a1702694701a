-- What people write: lock, look, change, record, each a round trip of :trip microseconds. \gset costs none.
\set user random(1, 1000000000)
\sleep :trip us
BEGIN;
\sleep :trip us
SELECT available, ops.new_id() AS order_id
FROM plain.stock
WHERE product_id = 1
FOR UPDATE \gset
\if :available >= 1
\sleep :trip us
UPDATE plain.stock SET available = available - 1, reserved = reserved + 1 WHERE product_id = 1;
\sleep :trip us
INSERT INTO plain.reservations (order_id, user_id, expires_at)
VALUES (:order_id, :user, now() + interval '5 minutes');
\sleep :trip us
INSERT INTO plain.reservation_items (order_id, product_id, quantity) VALUES (:order_id, 1, 1);
\endif
\sleep :trip us
COMMIT;
