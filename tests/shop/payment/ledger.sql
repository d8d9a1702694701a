-- test: a balanced transfer is taken
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', -100
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: a transfer without entries is refused
-- raises: SH133
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
SET CONSTRAINTS ALL IMMEDIATE;

-- test: a transfer of one entry is refused
-- raises: SH133
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: a transfer that does not sum to zero is refused
-- raises: SH132
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', -99
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: two currencies do not balance each other
-- raises: SH132
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'EUR', NULL, NULL), 'EUR', -100
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: each currency of a transfer sums to zero for itself
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', -100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'EUR', 'testpay', NULL), 'EUR', 7
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'EUR', NULL, NULL), 'EUR', -7
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: an entry that comes after the check has passed is checked as well
-- raises: SH132
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('losses', 'USD', NULL, NULL), 'USD', -100
);
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 1
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: an entry of nothing is refused
-- raises: 23514
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 0
);

-- test: an entry in another currency than its account's is refused
-- raises: 23503
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'EUR', 100
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: an entry of a transfer that does not exist is refused
-- raises: SH131
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    0,
    payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 'USD', 100
);

-- test: a transfer cannot pass for another transaction's
-- raises: SH131
INSERT INTO payment.ledger_transfers (kind, xid) VALUES ('correction', '3');

-- test: post_transfer refuses accounts that do not exist
-- raises: SH134
SELECT payment.post_transfer(
    'correction', NULL,
    ARRAY[payment.ledger_account_id('clearing', 'USD', 'testpay', NULL), 0],
    ARRAY[1, -1]
);

-- test: post_transfer is held to the balance at COMMIT
-- raises: SH132
SELECT payment.post_transfer(
    'correction', NULL,
    ARRAY[payment.ledger_account_id('clearing', 'USD', 'testpay', NULL),
        payment.ledger_account_id('losses', 'USD', NULL, NULL)],
    ARRAY[1, -2]
);
SET CONSTRAINTS ALL IMMEDIATE;

-- test: an account's balance follows its entries alone
-- raises: SH135
UPDATE payment.ledger_accounts SET balance = 0;

-- test: an account is not deleted
-- raises: SH135
DELETE FROM payment.ledger_accounts;

-- test: ledger_transfers takes no UPDATE
-- raises: SH130
UPDATE payment.ledger_transfers SET created_at = created_at;

-- test: ledger_transfers takes no DELETE
-- raises: SH130
DELETE FROM payment.ledger_transfers;

-- test: ledger_transfers takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.ledger_transfers CASCADE;

-- test: ledger_entries takes no UPDATE
-- raises: SH130
UPDATE payment.ledger_entries SET amount = amount;

-- test: ledger_entries takes no DELETE
-- raises: SH130
DELETE FROM payment.ledger_entries;

-- test: ledger_entries takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.ledger_entries CASCADE;

-- test: ledger_balance_snapshots takes no UPDATE
-- raises: SH130
UPDATE payment.ledger_balance_snapshots SET created_at = created_at;

-- test: ledger_balance_snapshots takes no DELETE
-- raises: SH130
DELETE FROM payment.ledger_balance_snapshots;

-- test: ledger_balance_snapshots takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.ledger_balance_snapshots CASCADE;

-- test: payment_transactions takes no UPDATE
-- raises: SH130
UPDATE payment.payment_transactions SET created_at = created_at;

-- test: payment_transactions takes no DELETE
-- raises: SH130
DELETE FROM payment.payment_transactions;

-- test: payment_transactions takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.payment_transactions CASCADE;

-- test: payment_dispute_evidence takes no UPDATE
-- raises: SH130
UPDATE payment.payment_dispute_evidence SET created_at = created_at;

-- test: payment_dispute_evidence takes no DELETE
-- raises: SH130
DELETE FROM payment.payment_dispute_evidence;

-- test: payment_dispute_evidence takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.payment_dispute_evidence CASCADE;

-- test: payment_settlements takes no UPDATE
-- raises: SH130
UPDATE payment.payment_settlements SET created_at = created_at;

-- test: payment_settlements takes no DELETE
-- raises: SH130
DELETE FROM payment.payment_settlements;

-- test: payment_settlements takes no TRUNCATE
-- raises: SH130
TRUNCATE payment.payment_settlements CASCADE;

-- test: a customer cannot be given more than was taken
-- raises: 23514
INSERT INTO payment.ledger_transfers (kind) VALUES ('correction');
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount)
VALUES (
    (SELECT max(t.id) FROM payment.ledger_transfers AS t),
    payment.ledger_account_id('customer', 'USD', NULL, 900901), 'USD', 1
);

-- test: a customer's account keeps a running balance and a number for each entry
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 'cp_one') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 3000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'two', TRUE, 'cp_two') AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'r', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill',
    1500
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'r', TRUE, 're_r') AS a;
SELECT x.balances FROM (
    SELECT array_agg(e.balance_after ORDER BY e.account_entry) AS balances
    FROM payment.ledger_entries AS e
    INNER JOIN payment.ledger_accounts AS a ON a.id = e.account_id
    WHERE a.kind = 'customer' AND a.user_id = 900901
) AS x
WHERE x.balances IS DISTINCT FROM ARRAY[-2000, -5000, -3500]::bigint[];

-- test: a hot account's row keeps no balance
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT a.kind FROM payment.ledger_accounts AS a
WHERE NOT a.is_running AND (a.balance, a.entry_count) <> (0, 0);

-- test: a payment's transfers read as its history
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'r', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill',
    1500
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'r', TRUE, 're_r') AS a;
SELECT x.kinds FROM (
    SELECT array_agg(t.kind ORDER BY t.id) AS kinds
    FROM payment.ledger_transfers AS t
    WHERE t.payment_id = (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS x
WHERE x.kinds <> ARRAY['capture', 'refund'];

-- test: an amount that is changed by hand is posted all the same
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
UPDATE payment.payments SET refunded_amount = 700 WHERE user_id = 900901;
SELECT f.fault, f.object FROM payment.verify_ledger() AS f;

-- test: the check of a transfer scans no table, whatever its plan was made on
ANALYZE payment.ledger_entries;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT s.scans FROM (
    SELECT pg_stat_get_xact_numscans('payment.ledger_entries'::regclass) AS scans
) AS s
WHERE s.scans > 0;

-- test: the balance of a hot account is read from indexes
SET LOCAL enable_seqscan = off;
DO $$
DECLARE
    v_plan text := '';
    v_line text;
BEGIN
    FOR v_line IN EXECUTE 'EXPLAIN SELECT b.balance FROM payment.ledger_account_balances AS b' LOOP
        v_plan := v_plan || v_line;
    END LOOP;
    ASSERT v_plan LIKE '%ledger_entries_account_id_currency_epoch_xid_idx%'
        AND v_plan LIKE '%ledger_balance_snapshots_pkey%', v_plan;
END;
$$;
