\set account random(:first, :last)
SELECT payment.post_transfer('correction', NULL, ARRAY[:hot, :account]::bigint[], ARRAY[1, -1]);
