-- test: the audit trail has neither token nor user in clear
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT r.table_name FROM audit.row_changes AS r
WHERE r.xid = pg_current_xact_id()
    AND (r.changes::text LIKE '%tok_tested_one%' OR r.changes::text ~ '[^0-9]900901[^0-9]');

-- test: the audit trail says which payment changed and, where it was made, whose it is
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT 'missing' WHERE NOT EXISTS (
    SELECT FROM audit.row_changes AS r
    INNER JOIN ops.privacy_keys AS k ON k.subject_ref = r.subject_ref
    INNER JOIN audit.row_changes AS u USING (table_name, row_key)
    WHERE r.table_name = 'payment.payments' AND r.operation = 'INSERT' AND u.operation = 'UPDATE'
        AND r.row_key = (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)::text
        AND k.subject_id = '900901'
);

-- test: erasing a person takes the person out and leaves the books as they were
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
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent'
) AS a;
SELECT ops.erase_personal_data('900901');
SELECT 'payments' AS place FROM payment.payments AS p WHERE p.user_id = 900901
UNION ALL
SELECT 'methods' FROM payment.payment_methods AS m WHERE m::text ~ 'tok_tested_one|900901'
UNION ALL
SELECT 'requests' FROM payment.payment_requests AS r WHERE r.user_id = 900901
UNION ALL
SELECT 'accounts' FROM payment.ledger_accounts AS a WHERE a.user_id = 900901
UNION ALL
SELECT 'events' FROM payment.provider_events AS e WHERE e.user_id = 900901
UNION ALL
SELECT f.fault FROM payment.verify_ledger() AS f
UNION ALL
SELECT 'the payment is gone' WHERE NOT EXISTS (
    SELECT FROM payment.payments AS p
    WHERE p.order_id = '00000000-0000-7000-8000-000000900901' AND p.captured_amount = 5000 AND p.user_id < 0
);

-- test: append-only tables have no column for a person
SELECT c.relname, a.attname
FROM pg_trigger AS t
INNER JOIN pg_class AS c ON c.oid = t.tgrelid
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
INNER JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE n.nspname = 'payment' AND t.tgname = 'append_only' AND a.attname LIKE '%user%';
