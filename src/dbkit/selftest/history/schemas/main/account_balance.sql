CREATE OR REPLACE FUNCTION main.account_balance(p_id integer) RETURNS integer
LANGUAGE sql STABLE
BEGIN ATOMIC SELECT b.balance FROM main.balances AS b WHERE b.id = p_id; END;
REVOKE EXECUTE ON FUNCTION main.account_balance(integer) FROM PUBLIC;
SELECT pg_catalog.pg_sleep(0.1);
