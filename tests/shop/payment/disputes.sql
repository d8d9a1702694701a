-- test: an open dispute withholds its amount
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
SELECT p.dispute_open_amount, p.unsettled_amount, p.state
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.dispute_open_amount, p.unsettled_amount, p.state)
    IS DISTINCT FROM (4000, 1000, 'captured');

-- test: a dispute that was won gives the money back
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
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'won'
) AS a;
SELECT p.dispute_open_amount, p.dispute_lost_amount, p.unsettled_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.dispute_open_amount, p.dispute_lost_amount, p.unsettled_amount)
    IS DISTINCT FROM (0, 0, 5000);

-- test: a dispute that was lost takes the money
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
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT p.dispute_open_amount, p.dispute_lost_amount, p.unsettled_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.dispute_open_amount, p.dispute_lost_amount, p.unsettled_amount)
    IS DISTINCT FROM (0, 4000, 1000);

-- test: the same dispute again is the same dispute
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
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 4000,
    'fraudulent'
) AS a
WHERE NOT a.is_replay;

-- test: another dispute under the same reference is refused
-- raises: SH123
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
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 500,
    'fraudulent'
) AS a;

-- test: no more can be disputed than was captured
-- raises: SH121
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
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_2', 1001,
    'fraudulent'
) AS a;

-- test: a dispute has an amount
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
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_2', NULL,
    'fraudulent'
) AS a;

-- test: what was refunded can be disputed too, and the loss shows in the books
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
SELECT a.state FROM payment.record_provider_result(900901, 'one', TRUE, 're_one') AS a;
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 4000,
    'fraudulent'
) AS a;
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT t.kind, e.amount FROM payment.ledger_entries AS e
INNER JOIN payment.ledger_transfers AS t ON t.id = e.transfer_id
INNER JOIN payment.ledger_accounts AS a ON a.id = e.account_id
WHERE t.payment_id = (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
    AND a.kind = 'losses' AND (t.kind, e.amount) <> ('dispute_lost', 2000)
UNION ALL
SELECT f.fault, f.actual FROM payment.verify_ledger() AS f;

-- test: evidence is kept once
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1')
) AS a;
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1')
) AS a;
SELECT count(*) FROM payment.payment_dispute_evidence AS e
WHERE e.document_uri = 's3://evidence/1'
HAVING count(*) <> 1;

-- test: the same key with other evidence is refused
-- raises: SH103
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1')
) AS a;
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/2', sha256('1')
) AS a;

-- test: the last document puts the dispute under review
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), TRUE
) AS a;
SELECT d.state FROM payment.payment_disputes AS d
WHERE d.provider_reference = 'dp_1' AND d.state <> 'under_review';

-- test: a dispute under review takes no more evidence
-- raises: SH122
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), TRUE
) AS a;
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e2',
    'receipt', 's3://evidence/1', sha256('1')
) AS a;

-- test: evidence that was added is answered after the dispute is closed
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), TRUE
) AS a;
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'won'
) AS a;
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), TRUE
) AS a
WHERE NOT a.is_replay;

-- test: a document's text has no place in evidence
-- raises: SH481
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 'the customer said that', sha256('1')
) AS a;

-- test: another user's dispute does not exist
-- raises: SH120
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
SELECT a.state FROM payment.resolve_dispute(
    900902,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'won'
) AS a;

-- test: the same outcome again changes nothing
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
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT p.dispute_lost_amount FROM payment.payments AS p
WHERE p.user_id = 900901 AND p.dispute_lost_amount IS DISTINCT FROM 4000;

-- test: another outcome is refused
-- raises: SH124
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
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'lost'
) AS a;
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'won'
) AS a;

-- test: an outcome is won or lost
-- raises: SH124
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
SELECT a.state FROM payment.resolve_dispute(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'),
    'drawn'
) AS a;

-- test: another dispute under the same reference is refused as such where nothing is left either
-- raises: SH123
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
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 5000,
    'fraudulent'
) AS a;
SELECT a.state FROM payment.open_dispute(
    900901, (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901), 'dp_1', 4000,
    'fraudulent'
) AS a;

-- test: a document that was not the last is not so by its key again
-- raises: SH103
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
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), FALSE
) AS a;
SELECT a.dispute_state FROM payment.add_dispute_evidence(
    900901,
    (SELECT d.id FROM payment.payment_disputes AS d WHERE d.provider_reference = 'dp_1'), 'e1',
    'receipt', 's3://evidence/1', sha256('1'), TRUE
) AS a;
