\set user random(1, 1000)
SELECT r.maximum_items >= 3 AS ok_items FROM orders.rules() AS r;
SELECT r.minimum_total ? 'USD' AND r.maximum_total ? 'USD' AS ok_currency FROM orders.rules() AS r;
SELECT 8895 BETWEEN (r.minimum_total ->> 'USD')::bigint AND (r.maximum_total ->> 'USD')::bigint AS ok_total FROM orders.rules() AS r;
SELECT count(*) FROM orders.orders AS o WHERE o.user_id = :user AND o.state = 'pending' AND o.expires_at > now();
