-- test: a payment begins as pending
-- raises: SH105
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
INSERT INTO payment.payments
    (user_id, order_id, payment_method_id, provider, currency, amount, state)
SELECT p.user_id, p.order_id, p.payment_method_id, p.provider, p.currency, p.amount, 'failed'
FROM payment.payments AS p WHERE p.user_id = 900901;

-- test: a payment that is authorized cannot fail
-- raises: SH105
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
UPDATE payment.payments SET state = 'failed' WHERE user_id = 900901;

-- test: a captured payment cannot be authorized again
-- raises: SH105
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
SELECT a.action FROM payment.capture_payment(
    900901, 'cap', (SELECT p.id FROM payment.payments AS p WHERE p.user_id = 900901)
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'cap', TRUE, 'cp_cap') AS a;
UPDATE payment.payments SET state = 'authorized' WHERE user_id = 900901;

-- test: an illegal move names both states
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
DO $$
DECLARE
    v_detail text;
    v_name text;
BEGIN
    UPDATE payment.payments SET state = 'settled' WHERE user_id = 900901;
    RAISE EXCEPTION 'not refused';
EXCEPTION WHEN SQLSTATE 'SH105' THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL, v_name = CONSTRAINT_NAME;
    ASSERT v_detail LIKE 'From authorized to settled, id %', v_detail;
    ASSERT v_name = 'payments_state_transition', v_name;
END;
$$;

-- test: a request that has an answer cannot be pending again
-- raises: SH105
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
SELECT a.state FROM payment.record_provider_result(900901, 'auth', TRUE, 'ch_1') AS a;
UPDATE payment.payment_requests SET state = 'pending' WHERE user_id = 900901;

-- test: a refund cannot be returned before it has succeeded
-- raises: SH105
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
UPDATE payment.refunds SET state = 'returned' WHERE reason = 'goodwill';

-- test: a decided dispute cannot be opened again
-- raises: SH105
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
UPDATE payment.payment_disputes SET state = 'needs_response' WHERE provider_reference = 'dp_1';

-- test: an event that was dealt with cannot wait again
-- raises: SH105
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
    900901, 'testpay', 'evt_1', 'capture.succeeded', now(), p_provider_reference => 'cp_cap'
) AS a;
UPDATE payment.provider_events SET state = 'waiting' WHERE event_id = 'evt_1';

-- test: transitions lead to the states that the constraints name, and to all of them
WITH machines (stated, transitions) AS (
    SELECT 'payments', x.* FROM (
        SELECT array_agg(DISTINCT t.to_state) FROM payment.payment_transitions AS t) AS x
    UNION ALL
    SELECT 'payment_requests', x.* FROM (
        SELECT array_agg(DISTINCT t.to_state) FROM payment.payment_request_transitions AS t) AS x
    UNION ALL
    SELECT 'refunds', x.* FROM (
        SELECT array_agg(DISTINCT t.to_state) FROM payment.refund_transitions AS t) AS x
    UNION ALL
    SELECT 'payment_disputes', x.* FROM (
        SELECT array_agg(DISTINCT t.to_state) FROM payment.payment_dispute_transitions AS t) AS x
    UNION ALL
    SELECT 'provider_events', x.* FROM (
        SELECT array_agg(DISTINCT t.to_state) FROM payment.provider_event_transitions AS t) AS x
)
SELECT m.stated, m.transitions, s.states
FROM machines AS m
INNER JOIN pg_constraint AS c
    ON c.conrelid = ('payment.' || m.stated)::regclass AND c.conname = m.stated || '_state_check'
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT r.match[1]) AS states
    FROM regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''', 'g') AS r (match)
) AS s
WHERE s.states <> m.transitions;

-- test: the exponent of a currency in use cannot change
-- raises: SH119
SELECT a.action FROM payment.process_payment_authorization(
    900901, 'auth', '00000000-0000-7000-8000-000000900901',
    payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card'), 5000, 'USD'
) AS a;
UPDATE payment.currencies SET exponent = 3 WHERE code = 'USD';

-- test: the exponent of a currency that nothing is kept in can
INSERT INTO payment.currencies (code, exponent) VALUES ('XTS', 2);
UPDATE payment.currencies SET exponent = 3 WHERE code = 'XTS';
