-- test: a constraint refuses a card number
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '4111111111111111', 'card');

-- test: a constraint refuses a card number with spaces
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '4111 1111 1111 1111', 'card');

-- test: a constraint refuses a card number with dashes
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '4111-1111-1111-1111', 'card');

-- test: a constraint refuses a card number with dots
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '4111.1111.1111.1111', 'card');

-- test: a constraint refuses 12 digits
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '123456789012', 'card');

-- test: a constraint refuses 19 digits
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '1234567890123456789', 'card');

-- test: a constraint refuses a card number of 15 digits
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '378282246310005', 'card');

-- test: a constraint refuses a card number behind a prefix
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', 'tok_4111111111111111', 'card');

-- test: a constraint refuses a card number before its expiry date
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '4111-1111-1111-1111|12/29|123', 'card');

-- test: a constraint refuses digits of another script
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', '٤١١١١١١١١١١١١١١١', 'card');

-- test: a constraint refuses a token with a line break
-- raises: 23514
INSERT INTO payment.payment_methods (user_id, provider, token, kind)
VALUES (900901, 'testpay', 'tok_line
break', 'card');

-- test: of two constraints that refuse a card number, the one that says so speaks
DO $$
DECLARE
    v_name text;
BEGIN
    INSERT INTO payment.payment_methods (user_id, provider, token, kind)
    VALUES (900901, 'testpay', '4111 1111 1111 1111', 'card');
    RAISE EXCEPTION 'not refused';
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS v_name = CONSTRAINT_NAME;
    ASSERT v_name = 'payment_methods_card_number_check', v_name;
END;
$$;

-- test: tokens that only look busy are taken
INSERT INTO payment.payment_methods (user_id, provider, token, kind) VALUES
(900901, 'testpay', 'tok_1NqLzR2eZvKYlo2C', 'card'),
(900901, 'testpay', '550e8400-e29b-41d4-a716-446655440000', 'card'),
(900901, 'testpay', 'tok-1732312345678', 'card'),
(900901, 'testpay', 'tok_1732312345678901', 'card'),
(900901, 'testpay', 'tok_4111111111111112', 'card'),
(900901, 'testpay', '12345678901', 'card'),
(900901, 'testpay', '12345678901234567890', 'card');

-- test: whatever stands between the digits, and in whatever script, it is a card number
-- as: app
SELECT v.value FROM (VALUES
('4111111111111111'), ('4111 1111 1111 1111'), ('4111-1111-1111-1111'), ('4111.1111.1111.1111'),
('4111–1111–1111–1111'), (U&'4111\00a01111\00a01111\00a01111'), (U&'4111\20091111\20091111\20091111'),
('٤١١١١١١١١١١١١١١١'), ('۴۱۱۱ ۱۱۱۱ ۱۱۱۱ ۱۱۱۱'), ('４１１１１１１１１１１１１１１１'), ('४१११ ११११ ११११ ११११'),
('378282246310005'), ('3782 822463 10005'), ('6011000990139424'), ('30569309025904'),
('4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1'), ('  4111  1111  1111  1111  '), ('4111 1111-1111/1111'),
('tok_4111-1111-1111-1111'), ('card=4111_1111_1111_1111;cvc'), ('4111.1111.1111.1111|12/29'),
('4111-1111-1111-1111|12/29|123'), ('4111-1111-1111-1111-12-29'), ('4111111111111111 4111111111111112')
) AS v (value)
WHERE NOT payment.is_card_number(v.value);

-- test: what merely looks numeric is no card number
-- as: app
SELECT v.value FROM (VALUES
('tok_1NqLzR2eZvKYlo2C'), ('550e8400-e29b-41d4-a716-446655440000'), ('tok-1732312345678'),
('tok_1732312345678901'), ('tok_4111111111111112'), ('pm_4111111111111111x'), ('cus4111111111111111'),
('2026-11-26T05:00:00.123456'), ('12345678901'), ('12345678901234567890'), ('card_4111_1112_9'),
('tok_9999999999999995'), (''), (NULL)
) AS v (value)
WHERE payment.is_card_number(v.value);

-- test: a method whose brand or last four is a card number is refused without repeating it
-- as: app
DO $$
DECLARE
    v_detail text;
    v_message text;
BEGIN
    PERFORM payment.add_payment_method(
        900901, 'testpay', 'tok_tested_one', 'card', NULL, '4111111111111111'
    );
    RAISE EXCEPTION 'not refused';
EXCEPTION WHEN SQLSTATE 'SH117' THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL, v_message = MESSAGE_TEXT;
    ASSERT v_detail || v_message NOT LIKE '%4111%', v_detail;
END;
$$;

-- test: a kind of method that nobody knows is refused
-- raises: SH117
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'cash');

-- test: a card number in digits of another script is refused without repeating it
-- raises: SH111
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', '٤١١١١١١١١١١١١١١١', 'card');

-- test: add_payment_method refuses a card number without repeating it
-- as: app
DO $$
DECLARE
    v_detail text;
BEGIN
    PERFORM payment.add_payment_method(900901, 'testpay', '4111111111111111', 'card');
    RAISE EXCEPTION 'not refused';
EXCEPTION WHEN SQLSTATE 'SH111' THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
    ASSERT v_detail = 'The value is withheld.', v_detail;
END;
$$;

-- test: a method needs a token
-- raises: SH111
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', NULL, 'card');

-- test: another user's token is refused
-- raises: SH116
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card');
SELECT payment.add_payment_method(900902, 'testpay', 'tok_tested_one', 'card');

-- test: the same token gives the same method, and brings a removed one back
-- as: app
SELECT payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card');
SELECT payment.remove_payment_method(m.user_id, m.id) FROM payment.payment_methods AS m
WHERE m.user_id = 900901;
SELECT payment.add_payment_method(900901, 'testpay', 'tok_tested_one', 'card');
SELECT count(*), count(m.removed_at) FROM payment.payment_methods AS m
WHERE m.user_id = 900901
HAVING (count(*), count(m.removed_at)) <> (1, 0);
