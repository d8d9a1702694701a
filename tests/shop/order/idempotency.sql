-- A repeated request gets the same answer; another request under its key is refused.

-- test: a key is claimed once, then in progress, then replayed
SELECT c.claim_token AS token FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('a')) AS c;
SELECT c.outcome
FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('a')) AS c
WHERE c.outcome <> 'in_progress' OR c.claim_token IS NOT NULL;
SELECT orders.complete_idempotency_key(1, 'pay', 'k', k.claim_token, '{"id": 7}')
FROM orders.idempotency_keys AS k WHERE k.user_id = 1 AND k.scope = 'pay';
SELECT c.outcome, c.response
FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('a')) AS c
WHERE (c.outcome, c.response) IS DISTINCT FROM ('replay', '{"id": 7}'::jsonb);

-- test: another body under a key is a mismatch, claimed or completed
SELECT orders.claim_idempotency_key(1, 'pay', 'k', sha256('a'));
SELECT c.outcome
FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('b')) AS c
WHERE c.outcome <> 'mismatch' OR c.response IS NOT NULL;

-- test: keys of two users and of two scopes don't meet
SELECT orders.claim_idempotency_key(1, 'pay', 'k', sha256('a'));
SELECT c.outcome
FROM orders.claim_idempotency_key(2, 'pay', 'k', sha256('b')) AS c
WHERE c.outcome <> 'new'
UNION ALL
SELECT c.outcome
FROM orders.claim_idempotency_key(1, 'refund', 'k', sha256('b')) AS c
WHERE c.outcome <> 'new';

-- test: a stale claim is taken over by the same body only
SELECT orders.claim_idempotency_key(1, 'pay', 'k', sha256('a'));
UPDATE orders.idempotency_keys SET claimed_at = now() - interval '61 seconds' WHERE scope = 'pay';
SELECT b.outcome, a.outcome
FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('b')) AS b
CROSS JOIN LATERAL orders.claim_idempotency_key(1, 'pay', 'k', sha256('a')) AS a
WHERE (b.outcome, a.outcome) IS DISTINCT FROM ('mismatch', 'takeover');

-- test: whoever lost the claim can't complete it
-- raises: SH016
SELECT orders.claim_idempotency_key(1, 'pay', 'k', sha256('a'));
SELECT orders.complete_idempotency_key(1, 'pay', 'k', gen_random_uuid(), '{"id": 7}');

-- test: a completed claim can't be completed again
-- raises: SH016
SELECT orders.claim_idempotency_key(1, 'pay', 'k', sha256('a'));
SELECT orders.complete_idempotency_key(1, 'pay', 'k', k.claim_token, '{"id": 7}')
FROM orders.idempotency_keys AS k WHERE k.user_id = 1 AND k.scope = 'pay';
SELECT orders.complete_idempotency_key(1, 'pay', 'k', k.claim_token, '{"id": 8}')
FROM orders.idempotency_keys AS k WHERE k.user_id = 1 AND k.scope = 'pay';

-- test: a forgotten key is new again, for any body, and is cleaned away
SELECT orders.claim_idempotency_key(1, 'pay', k.k, sha256('a')) FROM (VALUES ('k'), ('l')) AS k (k);
UPDATE orders.idempotency_keys SET expires_at = now() - interval '1 day' WHERE scope = 'pay';
SELECT c.outcome, orders.cleanup_idempotency_keys()
FROM orders.claim_idempotency_key(1, 'pay', 'k', sha256('b')) AS c
WHERE c.outcome <> 'new';
SELECT orders.cleanup_idempotency_keys();
SELECT k.key FROM orders.idempotency_keys AS k WHERE k.scope = 'pay' AND k.key <> 'k';

-- test: a key that was used for another order is refused
-- raises: SH014
SELECT orders.create_order(
    1, 'k', 'USD', n.items::jsonb, 'Ada', '{"line_1": "1 Road"}', 'GB', 'ada@example.com'
)
FROM (
    VALUES
    ('[{"product_id": 1, "product_name": "A", "quantity": 1, "unit_price": 5000}]'),
    ('[{"product_id": 1, "product_name": "A", "quantity": 2, "unit_price": 5000}]')
) AS n (items);

-- test: a key that is being worked on is refused for the time being
-- raises: SH015
SELECT orders.claim_idempotency_key(1, 'create_order', 'k', sha256(convert_to(
    jsonb_build_array('USD', '[]'::jsonb, 'A', '{}'::jsonb, 'GB', 'a@example.com', NULL)::text,
    'UTF8'
)));
SELECT orders.create_order(1, 'k', 'USD', '[]', 'A', '{}', 'GB', 'a@example.com');

-- test: a key is 1 to 255 characters long
-- raises: SH481
SELECT orders.create_order(1, '', 'USD', '[]', 'A', '{}', 'GB', 'a@example.com');
