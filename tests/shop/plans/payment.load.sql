-- Three years of a shop with 20,000 users: most of it settled long ago, a hundredth still in motion.
CREATE FUNCTION pg_temp.id(p_number integer) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN ('01900000-0000-7000-8000-' || lpad(p_number::text, 12, '0'))::uuid;

INSERT INTO payment.payment_methods (id, user_id, provider, token, kind)
SELECT pg_temp.id(n), n % 20000, 'testpay', 'tok_plans_' || n, 'card' FROM generate_series(1, 100000) AS n;

INSERT INTO payment.payments (
    id, user_id, order_id, payment_method_id, provider, currency, amount, state, authorized_amount,
    captured_amount, settled_amount, authorized_at, capture_before, created_at
)
SELECT
    pg_temp.id(n), n % 20000, pg_temp.id(n), pg_temp.id(n), 'testpay_' || n % 4,
    (ARRAY['USD', 'EUR', 'GBP', 'JPY', 'KWD'])[1 + n % 5], 5000,
    CASE n % 100 WHEN 0 THEN 'authorized' WHEN 1 THEN 'captured' WHEN 2 THEN 'failed' ELSE 'settled' END,
    CASE n % 100 WHEN 2 THEN 0 ELSE 5000 END,
    CASE WHEN n % 100 IN (0, 2) THEN 0 ELSE 5000 END,
    CASE WHEN n % 100 IN (0, 1, 2) THEN 0 ELSE 5000 END,
    CASE WHEN n % 100 <> 2 THEN timestamptz '2024-01-01' + n * interval '16 min' END,
    CASE WHEN n % 100 <> 2 THEN timestamptz '2024-01-08' + n * interval '16 min' END,
    timestamptz '2024-01-01' + n * interval '16 min'
FROM generate_series(1, 100000) AS n;
REFRESH MATERIALIZED VIEW payment.payment_analytics;

INSERT INTO payment.payment_requests (
    id, user_id, key, kind, payment_id, currency, amount, body, state, provider_reference, resolved_at, created_at
)
SELECT
    pg_temp.id(n), n % 20000, 'plans-' || n, 'authorization', pg_temp.id(n), 'USD', 5000, '{}',
    CASE n % 100 WHEN 0 THEN 'pending' ELSE 'succeeded' END,
    CASE WHEN n % 100 <> 0 THEN 'ch_' || n END,
    CASE WHEN n % 100 <> 0 THEN timestamptz '2024-01-01' + n * interval '16 min' END,
    timestamptz '2024-01-01' + n * interval '16 min'
FROM generate_series(1, 100000) AS n;

INSERT INTO payment.refunds (id, payment_id, currency, amount, reason, state)
SELECT pg_temp.id(n), pg_temp.id(n), 'USD', 100, 'goodwill', 'succeeded' FROM generate_series(1, 100000) AS n;

INSERT INTO payment.payment_disputes (
    id, payment_id, currency, amount, provider, provider_reference, reason, state, evidence_due_at, opened_at, resolved_at
)
SELECT
    pg_temp.id(n), pg_temp.id(n), 'USD', 100, 'testpay', 'dp_' || n, 'fraudulent',
    CASE n % 100 WHEN 0 THEN 'needs_response' ELSE 'won' END,
    timestamptz '2024-01-08' + n * interval '16 min', timestamptz '2024-01-01' + n * interval '16 min',
    CASE WHEN n % 100 <> 0 THEN timestamptz '2024-02-01' + n * interval '16 min' END
FROM generate_series(1, 100000) AS n;

INSERT INTO payment.payment_settlements (id, currency, provider, payment_count, amount)
SELECT pg_temp.id(n), (ARRAY['USD', 'EUR', 'GBP', 'JPY', 'KWD'])[1 + n % 5], 'testpay_' || n % 4, 1, 5000
FROM generate_series(1, 100000) AS n;

-- of each payment an authorization, of some a settlement or a dispute; one in fifty fails
INSERT INTO payment.payment_transactions (
    payment_id, currency, kind, outcome, amount, request_id, dispute_id, settlement_id, failure_category,
    is_retriable, occurred_at
)
SELECT
    pg_temp.id(n), 'USD',
    CASE WHEN n % 10 = 8 THEN 'settlement' WHEN n % 10 = 9 THEN 'dispute_opened' ELSE 'authorization' END,
    CASE n % 50 WHEN 0 THEN 'failed' ELSE 'succeeded' END, 5000,
    CASE WHEN n % 10 < 8 THEN pg_temp.id(n) END,
    CASE WHEN n % 10 = 9 THEN pg_temp.id(n) END,
    CASE WHEN n % 10 = 8 THEN pg_temp.id(n) END,
    CASE n % 50 WHEN 0 THEN (ARRAY['declined', 'other', 'rate_limited'])[1 + n % 3] END,
    CASE n % 50 WHEN 0 THEN FALSE END, timestamptz '2024-01-01' + n * interval '16 min'
FROM generate_series(1, 100000) AS n;

INSERT INTO payment.provider_events (
    provider, event_id, kind, occurred_at, request_id, state, payment_id, attempt_count, received_at, processed_at
)
SELECT
    'testpay', 'evt_' || n, 'capture.succeeded', timestamptz '2024-01-01' + n * interval '16 min', pg_temp.id(n),
    CASE n % 100 WHEN 0 THEN 'waiting' WHEN 1 THEN 'conflict' ELSE 'applied' END,
    CASE WHEN n % 100 <> 0 THEN pg_temp.id(n) END, n % 7, timestamptz '2024-01-01' + n * interval '16 min',
    CASE WHEN n % 100 <> 0 THEN timestamptz '2024-01-01' + n * interval '16 min' END
FROM generate_series(1, 100000) AS n;

INSERT INTO payment.ledger_accounts (kind, currency, provider)
SELECT 'clearing', c.code, 'testpay_' || n FROM payment.currencies AS c, generate_series(0, 3) AS n;
INSERT INTO payment.ledger_accounts (kind, currency, user_id)
SELECT 'customer', (ARRAY['USD', 'EUR', 'GBP', 'JPY', 'KWD'])[1 + n % 5], n FROM generate_series(1, 100000) AS n;

INSERT INTO payment.ledger_transfers (kind, payment_id, epoch, xid)
SELECT 'capture', pg_temp.id(n), 1, (1000 + n)::text::xid8 FROM generate_series(1, 100000) AS n;
WITH hot AS (
    SELECT array_agg(a.id) AS ids FROM payment.ledger_accounts AS a WHERE a.kind = 'clearing' AND a.currency = 'USD'
),

customers AS (
    SELECT min(a.id) AS first FROM payment.ledger_accounts AS a WHERE a.kind = 'customer'
)

INSERT INTO payment.ledger_entries (
    transfer_id, account_id, currency, amount, balance_after, account_entry, epoch, xid
)
SELECT
    t.id, CASE line.side WHEN 1 THEN hot.ids[1 + t.id % 4] ELSE customers.first + t.id % 20000 END, 'USD', line.side * 5000,
    CASE line.side WHEN -1 THEN -5000 END, CASE line.side WHEN -1 THEN t.id / 20000 + 1 END, 1, t.xid
FROM payment.ledger_transfers AS t, hot, customers, (VALUES (1), (-1)) AS line (side);

INSERT INTO payment.ledger_balance_snapshots (account_id, epoch, xid, balance, entry_count)
SELECT a.id, 1, n::text::xid8, n, n
FROM payment.ledger_accounts AS a, generate_series(1, 5000) AS n
WHERE a.kind = 'clearing';

INSERT INTO payment.payment_dispute_evidence
(id, dispute_id, key, kind, is_last, document_uri, document_sha256)
OVERRIDING SYSTEM VALUE
SELECT n, pg_temp.id(n), 'plans-' || n, 'receipt', FALSE, 's3://plans/' || n, sha256('1')
FROM generate_series(1, 100000) AS n;
