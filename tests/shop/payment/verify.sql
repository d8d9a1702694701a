-- test: a sound ledger has no faults
-- as: app
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
    1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'r', TRUE, 're_r') AS a;
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 4000,
    'fraudulent'
) AS a;
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT f.fault, f.object FROM payment.verify_ledger() AS f;

-- test: an amount that was altered is seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
UPDATE payment.ledger_entries AS e SET amount = e.amount + 1
WHERE e.id = (SELECT max(l.id) FROM payment.ledger_entries AS l);
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'transfer_sums_to_zero'
);

-- test: entries that were removed are seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
DELETE FROM payment.ledger_entries
WHERE transfer_id = (SELECT max(t.id) FROM payment.ledger_transfers AS t);
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'transfer_has_two_entries'
);

-- test: a running balance that was altered is seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_accounts DISABLE TRIGGER USER;
UPDATE payment.ledger_accounts SET balance = balance - 1 WHERE user_id = 900901;
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'running_balance'
);

-- test: a gap in a customer's account is seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
UPDATE payment.ledger_entries AS e SET account_entry = e.account_entry + 1
WHERE e.id = (SELECT max(l.id) FROM payment.ledger_entries AS l WHERE l.account_entry > 0);
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'running_chain'
);

-- test: a pair that was written into an old transfer is seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
INSERT INTO payment.ledger_entries (transfer_id, account_id, currency, amount, epoch, xid)
SELECT (SELECT max(t.id) FROM payment.ledger_transfers AS t), a.id, 'USD', 5, 1, '3'
FROM payment.ledger_accounts AS a
WHERE a.id = payment.ledger_account_id('clearing', 'USD', 'testpay', NULL);
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'entry_of_its_transaction'
);

-- test: books that don't follow the payments are seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
ALTER TABLE payment.payments DISABLE TRIGGER payments_post;
UPDATE payment.payments SET refunded_amount = 700 WHERE user_id = 900901;
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'payments_position'
);

-- test: a snapshot that the entries don't add up to is seen
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
ALTER TABLE payment.ledger_transfers DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_entries DISABLE TRIGGER USER;
ALTER TABLE payment.ledger_balance_snapshots DISABLE TRIGGER USER;
INSERT INTO payment.ledger_balance_snapshots
    (account_id, epoch, xid, balance, entry_count)
SELECT a.id, 1, '3', 1, 0 FROM payment.ledger_accounts AS a
WHERE NOT a.is_running;
SELECT 'not seen' WHERE NOT EXISTS (
    SELECT FROM payment.verify_ledger() AS f WHERE f.fault = 'snapshot_balance'
);
