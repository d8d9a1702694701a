-- test: an authorization is recorded as pending and gives the request to send
-- as: app
SELECT a.action, a.state, a.amount, a.request FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a
WHERE (a.action, a.state, a.amount, a.request - 'idempotency_key') IS DISTINCT FROM (
    'send', 'pending', 5000,
    '{"kind": "authorization", "provider": "testpay", "user_id": 900901, "amount": 5000,
    "currency": "USD", "exponent": 2, "token": "tok_tested_one"}'::jsonb
);

-- test: the same key and body are answered again, and make no second payment
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a
WHERE (a.action, a.state) <> ('wait', 'pending')
UNION ALL
SELECT 'payments' FROM payment.payments AS p WHERE p.user_id = 900901 HAVING count(*) <> 1;

-- test: the stored result answers a replay, even when the method is gone
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT payment.remove_payment_method(m.user_id, m.id) FROM payment.payment_methods AS m
WHERE m.user_id = 900901;
SELECT a.action, a.state FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    (SELECT m.id FROM payment.payment_methods AS m WHERE m.user_id = 900901), 5000, 'USD'
) AS a
WHERE (a.action, a.state, a.request IS NULL) <> ('done', 'succeeded', TRUE);

-- test: the same key with another body is refused
-- raises: SH103
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5001, 'USD'
) AS a;

-- test: a key of another kind of request is refused
-- raises: SH103
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'auth', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;

-- test: two users may have the same key
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.action FROM payment.process_payment_authorization(
    900902, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900902, 'testpay', 'tok_tested_two', 'card'), 5000, 'USD'
) AS a;
SELECT count(*) FROM payment.payments AS p WHERE p.user_id IN (900901, 900902)
HAVING count(*) <> 2;

-- test: an empty key is refused
-- raises: SH112
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, '', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;

-- test: no key is refused
-- raises: SH112
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, NULL, '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;

-- test: an amount of nothing is refused
-- raises: SH101
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 0, 'USD'
) AS a;

-- test: no amount is refused
-- raises: SH101
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), NULL, 'USD'
) AS a;

-- test: a currency that the manifest does not name is refused
-- raises: SH100
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'CHF'
) AS a;

-- test: no currency is refused
-- raises: SH100
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, NULL
) AS a;

-- test: a method of another user is refused
-- raises: SH102
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900902, 'testpay', 'tok_tested_two', 'card'), 5000, 'USD'
) AS a;

-- test: a removed method is refused
-- raises: SH102
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card');
SELECT payment.remove_payment_method(m.user_id, m.id) FROM payment.payment_methods AS m
WHERE m.user_id = 900901;
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    (SELECT m.id FROM payment.payment_methods AS m WHERE m.user_id = 900901), 5000, 'USD'
) AS a;

-- test: an expired method is refused
-- raises: SH102
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_old_1', 'card', NULL, NULL, '2020-01-31'),
    5000, 'USD'
) AS a;

-- test: an answer to what was never asked is refused
-- raises: SH109
-- as: app
SELECT a.state FROM payment.record_provider_result(900901, 'nothing', TRUE, 'nothing') AS a;

-- test: the same answer again changes nothing
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT count(*) FROM payment.payment_transactions AS t
INNER JOIN payment.payments AS p ON p.id = t.payment_id
WHERE p.user_id = 900901
HAVING count(*) <> 1;

-- test: another answer is refused
-- raises: SH110
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'declined'
) AS a;

-- test: an answer under another reference is refused
-- raises: SH110
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_2') AS a;

-- test: an answer says whether it succeeded
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', NULL) AS a;

-- test: a failure without a category is refused
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', FALSE) AS a;

-- test: a failure of an unknown category is refused
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'bad_luck'
) AS a;

-- test: a success with a failure's category is refused
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', TRUE, 'ch_1', p_failure_category => 'declined'
) AS a;

-- test: more cannot be authorized than was asked
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', TRUE, 'ch_1', p_amount => 5001
) AS a;

-- test: a part can be authorized, and no more than it captured
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', TRUE, 'ch_1', p_amount => 3000
) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT p.state, p.authorized_amount, p.captured_amount
FROM payment.payments AS p
WHERE p.user_id = 900901
    AND (p.state, p.authorized_amount, p.captured_amount)
    IS DISTINCT FROM ('captured', 3000, 3000);

-- test: a capture is answered in full or not at all
-- raises: SH114
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_1', p_amount => 1) AS a;

-- test: a failure keeps its category, the provider's code and whether to try again
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'insufficient_funds',
    p_failure_code => 'card_51'
) AS a;
SELECT t.kind FROM payment.payment_transactions AS t
INNER JOIN payment.payments AS p ON p.id = t.payment_id
WHERE p.user_id = 900901
    AND (p.state, t.outcome, t.failure_category, t.failure_code, t.is_retriable)
    IS DISTINCT FROM ('failed', 'failed', 'insufficient_funds', 'card_51', TRUE)
UNION ALL
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a
WHERE (a.action, a.state, a.failure_category, a.failure_code, a.is_retriable)
    IS DISTINCT FROM ('done', 'failed', 'insufficient_funds', 'card_51', TRUE);

-- test: the provider's word on trying again goes before the category's
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(
    900901, 'auth', FALSE, p_failure_category => 'insufficient_funds', p_is_retriable => FALSE
) AS a
WHERE a.is_retriable;

-- test: another granted amount is another answer
-- raises: SH110
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1', 5000) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1', 4000) AS a;

-- test: all of it is another answer than a part
-- raises: SH110
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1', 4000) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;

-- test: the same amount again is the same answer, said or left out where it is all
-- as: app
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1', 4000) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1', 4000) AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap', 4000) AS a
WHERE a.action <> 'done';

-- test: another captured amount is another answer
-- raises: SH110
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
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap', 4000) AS a;
