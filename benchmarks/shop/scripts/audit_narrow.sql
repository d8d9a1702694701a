\set id random(1, 100000)
UPDATE public.narrow SET available = available - 1, reserved = reserved + 1 WHERE product_id = :id AND bucket = 0;
