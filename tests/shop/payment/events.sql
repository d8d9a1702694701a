-- test: an event settles a request that nobody answered
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(),
    (SELECT r.id FROM payment.payment_requests AS r WHERE (r.user_id, r.key) = (900901, 'cap')),
    'cp_1'
) AS a;
SELECT p.state, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.captured_amount)
    IS DISTINCT FROM ('captured', 5000);

-- test: the answer that comes after its event changes nothing
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(),
    (SELECT r.id FROM payment.payment_requests AS r WHERE (r.user_id, r.key) = (900901, 'auth')),
    'ch_1'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT p.state FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.state IS DISTINCT FROM 'authorized';

-- test: an event that says what is known is ignored
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_1'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'ignored';

-- test: the same event again is a duplicate
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_1'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_1'
) AS a
WHERE NOT a.is_duplicate;

-- test: another event under the same id is refused
-- raises: SH115
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_1'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_2'
) AS a;

-- test: an event about what is not known waits, and is applied once it is
-- as: app
SELECT a.state FROM payment.record_provider_event(
    NULL, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent'
) AS a;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT e.state FROM payment.process_provider_events(10000) AS e;
SELECT p.dispute_open_amount FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.dispute_open_amount IS DISTINCT FROM 4000;

-- test: a dispute that is decided before it is opened is decided in the end
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
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_2', 'dispute.lost', now() + interval '2 s', NULL, 'dp_1', 'ch_1'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now() + interval '1 s', NULL, 'dp_1', 'ch_1',
    4000, 'USD', p_dispute_reason => 'fraudulent'
) AS a;
SELECT e.state FROM payment.process_provider_events(10000) AS e;
SELECT p.dispute_open_amount, p.dispute_lost_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.dispute_open_amount, p.dispute_lost_amount)
    IS DISTINCT FROM (0, 4000);

-- test: an event that no column takes is a conflict, and stops no other
SELECT a.state FROM payment.record_provider_event(
    NULL, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, repeat('d', 256), 'ch_1', 1000,
    'USD', p_dispute_reason => 'fraudulent'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    NULL, 'testpay', 'evt_2', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent'
) AS a;
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
    900901, 're', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'other', 9
) AS a;
SELECT e.state FROM payment.record_provider_event(
    NULL, 'testpay', 'evt_3', 'refund.succeeded', now(),
    (SELECT r.id FROM payment.payment_requests AS r WHERE r.key = 're'), repeat('r', 256)
) AS e;
SELECT e.state FROM payment.process_provider_events(10000) AS e;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE (e.event_id, e.state)
    NOT IN (('evt_1', 'conflict'), ('evt_2', 'applied'), ('evt_3', 'conflict'));
SELECT p.dispute_open_amount FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.dispute_open_amount IS DISTINCT FROM 4000;

-- test: a dispute of a capture that is not recorded yet waits for it
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent'
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT e.state FROM payment.process_provider_events(10000) AS e;
SELECT p.dispute_open_amount FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.dispute_open_amount IS DISTINCT FROM 4000;

-- test: an event that an answer has overtaken is ignored
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
SELECT a.state FROM payment.record_provider_result(
    900901, 'one', TRUE, 're_one', p_occurred_at => now()
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'refund.failed', now() - interval '1 hour',
    p_provider_reference => 're_one', p_failure_category => 'other'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'ignored';

-- test: a refund that fails after it succeeded is returned
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
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'refund.failed', now() + interval '1 hour',
    p_provider_reference => 're_one', p_failure_category => 'other'
) AS a;
SELECT f.state FROM payment.refunds AS f
INNER JOIN payment.payments AS p ON p.id = f.payment_id
WHERE p.user_id = 900901 AND (f.state, p.refunded_amount) <> ('returned', 0)
UNION ALL
SELECT f.fault FROM payment.verify_ledger() AS f;

-- test: a refund is returned once
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
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'refund.failed', now() + interval '1 hour',
    p_provider_reference => 're_one', p_failure_category => 'other'
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_2', 'refund.failed', now() + interval '1 hour',
    p_provider_reference => 're_one', p_failure_category => 'other'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_2' AND e.state <> 'ignored';

-- test: an event that contradicts what is recorded is a conflict, and changes nothing
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.failed', now() + interval '1 hour',
    p_provider_reference => 'cp_cap', p_failure_category => 'other'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'conflict'
UNION ALL
SELECT 'captured', p.state FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.captured_amount <> 5000;

-- test: an event in another currency is a conflict
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(),
    (SELECT r.id FROM payment.payment_requests AS r WHERE (r.user_id, r.key) = (900901, 'cap')),
    'cp_1', NULL, 5000, 'EUR'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'conflict';

-- test: an event of another amount is a conflict
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(),
    (SELECT r.id FROM payment.payment_requests AS r WHERE (r.user_id, r.key) = (900901, 'cap')),
    'cp_1', NULL, 4999, 'USD'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'conflict';

-- test: another dispute under the same reference is a conflict
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
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 500, 'USD',
    p_dispute_reason => 'fraudulent'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'conflict';

-- test: another provider's event finds nothing
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900901, 'otherpay', 'evt_1', 'authorization.succeeded', now(),
    p_provider_reference => 'ch_1'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'waiting';

-- test: an event of another user finds nothing
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_event(
    900902, 'testpay', 'evt_1', 'authorization.succeeded', now(), p_provider_reference => 'ch_1'
) AS a;
SELECT e.event_id, e.state FROM payment.provider_events AS e
WHERE e.event_id = 'evt_1' AND e.state <> 'waiting';

-- test: an event of an unknown kind is refused at the door
-- raises: SH481
-- as: app
SELECT a.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.maybe', now(), p_provider_reference => 'ch_1'
) AS a;

-- test: a failure of a category that nobody knows is for people to look at
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT e.state FROM payment.payment_requests AS r
CROSS JOIN LATERAL payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.failed', now(), r.id,
    p_failure_category => 'bad_luck'
) AS e
WHERE r.user_id = 900901 AND e.state <> 'conflict';

-- test: an event about a request of another kind is for people to look at
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT e.state FROM payment.payment_requests AS r
CROSS JOIN LATERAL payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(), r.id
) AS e
WHERE r.user_id = 900901 AND e.state <> 'conflict';

-- test: a dispute in another currency than its payment's is for people to look at
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT e.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'EUR',
    p_dispute_reason => 'fraudulent'
) AS e
WHERE e.state <> 'conflict';

-- test: a failed capture that succeeded after all is captured, a failed authorization authorized
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'provider_unavailable'
) AS a;
SELECT e.state FROM payment.payment_requests AS r
CROSS JOIN LATERAL payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'authorization.succeeded', now(), r.id, 'ch_1'
) AS e
WHERE r.key = 'auth' AND e.state <> 'applied';
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 2000
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'cap', FALSE, p_failure_category => 'rate_limited'
) AS a;
SELECT e.state FROM payment.payment_requests AS r
CROSS JOIN LATERAL payment.record_provider_event(
    900901, 'testpay', 'evt_2', 'capture.succeeded', now(), r.id, 'cp_1'
) AS e
WHERE r.key = 'cap' AND e.state <> 'applied';
SELECT p.state, p.captured_amount FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.captured_amount, p.capture_pending_amount)
    IS DISTINCT FROM ('partially_captured', 2000, 0)
UNION ALL
SELECT r.state, r.amount FROM payment.payment_requests AS r
WHERE r.user_id = 900901 AND (r.state <> 'succeeded' OR r.failure_category IS NOT NULL);

-- test: a failed capture that succeeded after its room was taken is for people to look at
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'cap', FALSE, p_failure_category => 'rate_limited'
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'again', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 1
) AS a;
SELECT e.state FROM payment.payment_requests AS r
CROSS JOIN LATERAL payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(), r.id, 'cp_1'
) AS e
WHERE r.key = 'cap' AND e.state <> 'conflict';

-- test: an event about a dispute of another amount is for people to look at, whatever is left
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
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 5000,
    'fraudulent'
) AS a;
SELECT e.state FROM payment.record_provider_event(
    900901, 'testpay', 'evt_1', 'dispute.opened', now(), NULL, 'dp_1', 'ch_1', 4000, 'USD',
    p_dispute_reason => 'fraudulent'
) AS e
WHERE e.state <> 'conflict';
