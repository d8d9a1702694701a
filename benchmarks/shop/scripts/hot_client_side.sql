-- What people write: lock, look, change, record, each a round trip. \gset costs none.
\set user random(1, 1000000000)
BEGIN;
SELECT available, ops.new_id() AS order_id
FROM plain.stock
WHERE product_id = 1
FOR UPDATE \gset
\if :available >= 1
UPDATE plain.stock SET available = available - 1, reserved = reserved + 1 WHERE product_id = 1;
INSERT INTO plain.reservations (order_id, user_id, expires_at)
VALUES (:order_id, :user, now() + interval '5 minutes');
INSERT INTO plain.reservation_items (order_id, product_id, quantity) VALUES (:order_id, 1, 1);
\endif
COMMIT;
