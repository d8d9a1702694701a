-- test: captures are partial and several, and the last one completes
-- as: app
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
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'two', TRUE, 'cp_two') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'three', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'three', TRUE, 'cp_three') AS a;
SELECT p.state, p.captured_amount, p.capture_pending_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.captured_amount, p.capture_pending_amount)
    IS DISTINCT FROM ('captured', 5000, 0);

-- test: a capture in flight holds its room
-- raises: SH106
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 3000
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2001
) AS a;

-- test: a failed capture gives its room back
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 3000
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'one', FALSE, p_failure_category => 'declined'
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'two', TRUE, 'cp_two') AS a;
SELECT p.state, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.captured_amount)
    IS DISTINCT FROM ('captured', 5000);

-- test: nothing is left to capture of a captured payment
-- raises: SH108
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
SELECT a.action FROM payment.capture_payment(
    900901, 'again', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: another user's payment does not exist
-- raises: SH104
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900902, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: a pending payment cannot be captured
-- raises: SH108
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: a lapsed authorization cannot be captured
-- raises: SH113
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
UPDATE payment.payments SET capture_before = now() - interval '1 minute' WHERE user_id = 900901;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: a capture seen before is answered though the authorization has lapsed since
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 'cp_one') AS a;
UPDATE payment.payments SET capture_before = now() - interval '1 minute' WHERE user_id = 900901;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 1000
) AS a
WHERE (a.action, a.state) <> ('done', 'succeeded');

-- test: a void gives the whole authorization up
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'void', TRUE, 'void') AS a;
SELECT p.state, p.released_amount, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.released_amount, p.captured_amount)
    IS DISTINCT FROM ('voided', 5000, 0);

-- test: a void after a partial capture gives up the rest
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 'cp_one') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'void', TRUE, 'void') AS a;
SELECT p.state, p.released_amount, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.released_amount, p.captured_amount)
    IS DISTINCT FROM ('captured', 3000, 2000);

-- test: a failed void leaves the authorization as it was
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'void', FALSE, p_failure_category => 'declined'
) AS a;
SELECT p.state, p.released_amount, p.release_pending_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.released_amount, p.release_pending_amount)
    IS DISTINCT FROM ('authorized', 0, 0);

-- test: nothing is captured while a void is in flight
-- raises: SH106
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: nothing is voided while a capture is in flight
-- raises: SH108
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 1000
) AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: a void seen before is answered
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'void', TRUE, 'void') AS a;
SELECT a.action FROM payment.void_payment(
    900901, 'void', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a
WHERE (a.action, a.state) <> ('done', 'succeeded');

-- test: refunds are partial and several
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 2000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'two', TRUE, 're_two') AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'three', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'three', TRUE, 're_three') AS a;
SELECT p.refunded_amount, p.refund_pending_amount, p.state
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.refunded_amount, p.refund_pending_amount, p.state)
    IS DISTINCT FROM (5000, 0, 'captured');

-- test: a refund in flight holds its room
-- raises: SH107
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 3000
) AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 2001
) AS a;

-- test: a failed refund gives its room back
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 3000
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'one', FALSE, p_failure_category => 'declined'
) AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'two', TRUE, 're_two') AS a;
SELECT f.id FROM payment.refunds AS f
INNER JOIN payment.payments AS p ON p.id = f.payment_id
WHERE p.user_id = 900901
    AND f.state <> CASE f.amount WHEN 3000 THEN 'failed' ELSE 'succeeded' END;

-- test: nothing is left to refund of a refunded payment
-- raises: SH107
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill'
) AS a;

-- test: a negative refund is refused
-- raises: SH101
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', -1
) AS a;

-- test: what is disputed cannot be refunded as well
-- raises: SH107
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
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 4000,
    'fraudulent'
) AS a;
SELECT a.action FROM payment.refund_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1001
) AS a;

-- test: a constraint keeps refunds within the captures on any path
-- raises: 23514
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
UPDATE payment.payments SET refunded_amount = 5001 WHERE user_id = 900901;

-- test: a constraint keeps captures within the authorization on any path
-- raises: 23514
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
UPDATE payment.payments SET captured_amount = 5001 WHERE user_id = 900901;

-- test: settling moves captured payments to the bank and leaves nothing
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT s.amount FROM payment.settle_payments(10000) AS s;
SELECT s.amount FROM payment.settle_payments(10000) AS s
UNION ALL
SELECT p.settled_amount FROM payment.payments AS p
WHERE p.user_id = 900901 AND (p.state, p.settled_amount, p.unsettled_amount) <> ('settled', 4000, 0)
UNION ALL
SELECT t.amount FROM payment.payment_transactions AS t
INNER JOIN payment.payment_settlements AS s ON s.id = t.settlement_id
WHERE t.payment_id = (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
    AND (t.amount, s.provider, s.payment_count) <> (4000, 'testpay', 1);

-- test: a refund after the settlement is settled by the next
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
SELECT s.amount FROM payment.settle_payments(10000) AS s;
SELECT a.action FROM payment.refund_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT s.amount FROM payment.settle_payments(10000) AS s
WHERE s.provider = 'testpay' AND s.amount <> -1000;

-- test: the books balance after a settlement
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT s.amount FROM payment.settle_payments(10000) AS s;
SELECT f.fault, f.object FROM payment.verify_ledger() AS f;

-- test: a batch of nothing is refused
-- raises: SH118
-- as: app
SELECT s.amount FROM payment.settle_payments(0) AS s;

-- test: a batch of no size is refused
-- raises: SH118
-- as: app
SELECT c.action FROM payment.cleanup_expired_payments(NULL) AS c;

-- test: a request without an answer becomes unknown, never failed
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
UPDATE payment.payment_requests SET created_at = now() - interval '31 minutes'
WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT p.state FROM payment.payments AS p WHERE p.user_id = 900901 AND p.state <> 'unknown'
UNION ALL
SELECT r.state FROM payment.payment_requests AS r
WHERE r.user_id = 900901 AND (r.state, r.failure_category) IS DISTINCT FROM ('unknown', NULL);

-- test: the caller of an unknown request is told to ask the provider
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
UPDATE payment.payment_requests SET created_at = now() - interval '31 minutes'
WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a
WHERE a.action <> 'ask' OR a.request ->> 'idempotency_key' IS NULL;

-- test: the answer to an unknown request counts when it comes
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
UPDATE payment.payment_requests SET created_at = now() - interval '31 minutes'
WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT p.state FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.state IS DISTINCT FROM 'authorized';

-- test: an unknown request may turn out to have failed
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
UPDATE payment.payment_requests SET created_at = now() - interval '31 minutes'
WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'declined'
) AS a;
SELECT p.state FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.state IS DISTINCT FROM 'failed';

-- test: a refund without an answer keeps its room
-- raises: SH107
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 5000
) AS a;
UPDATE payment.payment_requests SET created_at = now() - interval '31 minutes'
WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT a.action FROM payment.refund_payment(
    900901, 'two', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1
) AS a;

-- test: a request is left alone until its time
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c
WHERE c.payment_id = (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901);

-- test: an authorization past its time expires
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
UPDATE payment.payments SET capture_before = now() - interval '1 minute' WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT p.state, p.released_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.released_amount)
    IS DISTINCT FROM ('expired', 5000);

-- test: the rest of a partial capture expires, and what was captured stays
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 'cp_one') AS a;
UPDATE payment.payments SET capture_before = now() - interval '1 minute' WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT p.state, p.released_amount, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.released_amount, p.captured_amount)
    IS DISTINCT FROM ('captured', 3000, 2000);

-- test: an authorization with a capture in flight does not expire
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2000
) AS a;
UPDATE payment.payments SET capture_before = now() - interval '1 minute' WHERE user_id = 900901;
SELECT c.action FROM payment.cleanup_expired_payments(10000) AS c;
SELECT p.state FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.state IS DISTINCT FROM 'authorized';

-- test: an authorization holds for authorization_days
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT p.capture_before FROM payment.payments AS p
CROSS JOIN payment.rules() AS r
WHERE p.user_id = 900901
    AND p.capture_before <> p.authorized_at + make_interval(days => r.authorization_days);

-- test: analytics show what the payments say, after a refresh
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
    900901, 'one', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901),
    'goodwill', 1000
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT payment.refresh_payment_analytics();
SELECT count(*) FROM payment.payment_analytics AS a
WHERE a.provider = 'testpay'
    AND (a.payment_count, a.captured_amount, a.refunded_amount) = (1, 5000, 1000)
HAVING count(*) <> 1;

-- test: a refund seen before is answered
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
    900901, 'r', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill'
) AS a;
SELECT a.action, a.amount FROM payment.refund_payment(
    900901, 'r', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'goodwill'
) AS a
WHERE (a.action, a.amount) <> ('wait', 5000);
