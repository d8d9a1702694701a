-- test: the app cannot write payments
-- raises: 42501
-- as: app
DELETE FROM payment.payments;

-- test: the app cannot write payment_methods
-- raises: 42501
-- as: app
DELETE FROM payment.payment_methods;

-- test: the app cannot write payment_requests
-- raises: 42501
-- as: app
DELETE FROM payment.payment_requests;

-- test: the app cannot write payment_transactions
-- raises: 42501
-- as: app
DELETE FROM payment.payment_transactions;

-- test: the app cannot write refunds
-- raises: 42501
-- as: app
DELETE FROM payment.refunds;

-- test: the app cannot write payment_disputes
-- raises: 42501
-- as: app
DELETE FROM payment.payment_disputes;

-- test: the app cannot write payment_dispute_evidence
-- raises: 42501
-- as: app
DELETE FROM payment.payment_dispute_evidence;

-- test: the app cannot write payment_settlements
-- raises: 42501
-- as: app
DELETE FROM payment.payment_settlements;

-- test: the app cannot write ledger_accounts
-- raises: 42501
-- as: app
DELETE FROM payment.ledger_accounts;

-- test: the app cannot write ledger_transfers
-- raises: 42501
-- as: app
DELETE FROM payment.ledger_transfers;

-- test: the app cannot write ledger_entries
-- raises: 42501
-- as: app
DELETE FROM payment.ledger_entries;

-- test: the app cannot write ledger_balance_snapshots
-- raises: 42501
-- as: app
DELETE FROM payment.ledger_balance_snapshots;

-- test: the app cannot write provider_events
-- raises: 42501
-- as: app
DELETE FROM payment.provider_events;

-- test: the app cannot write currencies
-- raises: 42501
-- as: app
DELETE FROM payment.currencies;

-- test: the app cannot change an amount
-- raises: 42501
-- as: app
UPDATE payment.payments SET captured_amount = 0;

-- test: the app cannot read tokens
-- raises: 42501
-- as: app
SELECT m.token FROM payment.payment_methods AS m;

-- test: the app cannot read the ledger's accounts
-- raises: 42501
-- as: app
SELECT a.id FROM payment.ledger_accounts AS a;

-- test: the app cannot post to the ledger
-- raises: 42501
-- as: app
SELECT payment.post_transfer('correction', NULL, ARRAY[1, 2], ARRAY[1, -1]);

-- test: the app cannot settle a request past its answer
-- raises: 42501
-- as: app
SELECT payment.apply_capture_result(ops.new_id(), TRUE, 1);

-- test: the app cannot truncate
-- raises: 42501
-- as: app
TRUNCATE payment.payments CASCADE;

-- test: the app cannot create
-- raises: 42501
-- as: app
CREATE TABLE payment.mine (id bigint);

-- test: the app cannot read the audit trail
-- raises: 42501
-- as: app
SELECT r.id FROM audit.row_changes AS r;

-- test: readonly cannot read who paid
-- raises: 42501
-- as: readonly
SELECT p.user_id FROM payment.payments AS p;

-- test: readonly cannot read whose account it is
-- raises: 42501
-- as: readonly
SELECT a.user_id FROM payment.ledger_accounts AS a;

-- test: readonly cannot pay
-- raises: 42501
-- as: readonly
SELECT a.action FROM payment.void_payment(1, 'k', NULL) AS a;

-- test: ops cannot pay
-- raises: 42501
-- as: ops
SELECT a.action FROM payment.void_payment(1, 'k', NULL) AS a;

-- test: readonly reads the books and the analytics
-- as: readonly
SELECT t.id FROM payment.ledger_transfers AS t WHERE FALSE
UNION ALL
SELECT e.id FROM payment.ledger_entries AS e WHERE FALSE
UNION ALL
SELECT l.account_id FROM payment.ledger_account_balances AS l WHERE FALSE
UNION ALL
SELECT a.payment_count FROM payment.payment_analytics AS a WHERE FALSE;

-- test: ops runs the sweeps
-- as: ops
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT e.state FROM payment.process_provider_events(10000) AS e;
SELECT s.amount FROM payment.settle_payments(10000) AS s;
SELECT payment.snapshot_ledger_balances();
SELECT payment.refresh_payment_analytics();
SELECT f.fault, f.object FROM payment.verify_ledger() AS f;

-- test: PUBLIC may call nothing
SELECT p.oid::regprocedure
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
WHERE n.nspname = 'payment' AND a.grantee = 0;

-- test: a function that runs as its owner has its search_path pinned
SELECT p.oid::regprocedure
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'payment' AND p.prosecdef
    AND coalesce(p.proconfig::text, '') NOT LIKE '%search_path=payment, pg_temp%';

-- test: every table, view, column and function says what it is
SELECT c.relname::text, a.attname::text
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid AND NOT a.attisdropped
WHERE n.nspname = 'payment' AND c.relkind IN ('r', 'm') AND a.attnum > 0
    AND c.relname NOT LIKE '%yoyo%' AND col_description(c.oid, a.attnum) IS NULL
UNION ALL
SELECT c.relname::text, c.relkind::text
FROM pg_class AS c
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'payment' AND c.relkind IN ('r', 'm', 'v')
    AND c.relname NOT LIKE '%yoyo%' AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT p.proname::text, 'function'
FROM pg_proc AS p
INNER JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = 'payment' AND obj_description(p.oid, 'pg_proc') IS NULL;

-- test: every foreign key has an index to go back by
SELECT c.conrelid::regclass, c.conname
FROM pg_constraint AS c
INNER JOIN pg_namespace AS n ON n.oid = c.connamespace
WHERE n.nspname = 'payment' AND c.contype = 'f' AND NOT EXISTS (
    SELECT FROM pg_index AS i
    WHERE i.indrelid = c.conrelid
        AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey
);
