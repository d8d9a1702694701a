CREATE OR REPLACE VIEW main.balances WITH (security_invoker = true) AS
SELECT a.id, a.email, a.balance FROM main.account AS a;
GRANT SELECT ON main.balances TO selftest_main_app;
