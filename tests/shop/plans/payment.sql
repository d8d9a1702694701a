-- index: payment_methods_user_id_idx
SELECT m.id, m.kind, m.brand, m.last_four FROM payment_methods AS m WHERE m.user_id = 4711 AND m.removed_at IS NULL;

-- index: payments_user_id_id_idx
SELECT p.id, p.amount, p.currency, p.state FROM payments AS p WHERE p.user_id = 4711 ORDER BY p.id DESC LIMIT 20;

-- index: payments_order_id_idx
SELECT p.id, p.captured_amount FROM payments AS p WHERE p.order_id = '01900000-0000-7000-8000-000000004711';

-- index: payments_payment_method_id_idx
SELECT p.id FROM payments AS p WHERE p.payment_method_id = '01900000-0000-7000-8000-000000004711';

-- index: payments_capture_before_idx
SELECT p.id, p.authorized_amount - p.captured_amount - p.released_amount FROM payments AS p
WHERE p.state IN ('authorized', 'partially_captured') AND p.capture_before < '2024-03-01'
    AND p.capture_pending_amount + p.release_pending_amount = 0
ORDER BY p.capture_before LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED;

-- index: payments_unsettled_idx
SELECT p.id, p.unsettled_amount FROM payments AS p WHERE p.unsettled_amount <> 0 OR p.state = 'captured'
ORDER BY p.id LIMIT 100 FOR NO KEY UPDATE SKIP LOCKED;

-- index: payment_requests_payment_id_currency_id_idx
SELECT r.kind, r.state FROM payment_requests AS r WHERE r.payment_id = '01900000-0000-7000-8000-000000004711' ORDER BY r.id;

-- index: payment_requests_provider_reference_idx
SELECT r.payment_id FROM payment_requests AS r WHERE r.provider_reference = 'ch_4711';

-- index: payment_requests_created_at_idx
SELECT r.id FROM payment_requests AS r
INNER JOIN payments AS p ON r.payment_id = p.id
WHERE r.state = 'pending' AND r.created_at < '2024-03-01'
ORDER BY r.created_at LIMIT 100 FOR NO KEY UPDATE OF p SKIP LOCKED;

-- index: refunds_payment_id_currency_idx
SELECT f.id, f.amount, f.state FROM refunds AS f WHERE f.payment_id = '01900000-0000-7000-8000-000000004711';

-- index: payment_disputes_payment_id_currency_idx
SELECT d.id, d.amount, d.state FROM payment_disputes AS d WHERE d.payment_id = '01900000-0000-7000-8000-000000004711';

-- index: payment_disputes_evidence_due_at_idx
SELECT d.id, d.reason FROM payment_disputes AS d WHERE d.state = 'needs_response' ORDER BY d.evidence_due_at LIMIT 50;

-- index: payment_settlements_currency_provider_id_idx
SELECT s.id, s.amount FROM payment_settlements AS s
WHERE s.currency = 'EUR' AND s.provider = 'testpay_1' ORDER BY s.id DESC LIMIT 31;

-- index: payment_transactions_payment_id_currency_id_idx
SELECT t.kind, t.outcome, t.amount FROM payment_transactions AS t
WHERE t.payment_id = '01900000-0000-7000-8000-000000004711' ORDER BY t.id;

-- index: payment_transactions_request_id_idx
SELECT t.outcome, t.occurred_at FROM payment_transactions AS t WHERE t.request_id = '01900000-0000-7000-8000-000000004711';

-- index: payment_transactions_dispute_id_idx
SELECT t.kind, t.occurred_at FROM payment_transactions AS t WHERE t.dispute_id = '01900000-0000-7000-8000-000000004719';

-- index: payment_transactions_settlement_id_idx
SELECT t.payment_id, t.amount FROM payment_transactions AS t WHERE t.settlement_id = '01900000-0000-7000-8000-000000004718';

-- index: payment_transactions_failure_category_id_idx
SELECT t.payment_id, t.failure_code FROM payment_transactions AS t WHERE t.failure_category = 'declined' ORDER BY t.id DESC LIMIT 50;

-- index: provider_events_attempt_count_occurred_at_idx
SELECT e.id FROM provider_events AS e WHERE e.state = 'waiting'
ORDER BY e.attempt_count, e.occurred_at LIMIT 100 FOR UPDATE SKIP LOCKED;

-- index: provider_events_conflict_idx
SELECT e.id, e.kind FROM provider_events AS e WHERE e.state = 'conflict' ORDER BY e.received_at DESC LIMIT 50;

-- index: provider_events_payment_id_idx
SELECT e.kind, e.state FROM provider_events AS e WHERE e.payment_id = '01900000-0000-7000-8000-000000004711';

-- index: ledger_accounts_user_id_currency_key
SELECT a.id FROM ledger_accounts AS a WHERE a.user_id = 4711 AND a.currency = 'EUR' AND a.kind = 'customer';

-- index: ledger_accounts_kind_currency_provider_key
SELECT a.id FROM ledger_accounts AS a WHERE a.kind <> 'customer';

-- index: ledger_transfers_payment_id_id_idx
SELECT t.id, t.kind FROM ledger_transfers AS t WHERE t.payment_id = '01900000-0000-7000-8000-000000004711' ORDER BY t.id;

-- index: ledger_entries_transfer_id_idx
SELECT e.currency, count(*), sum(e.amount) FROM ledger_entries AS e WHERE e.transfer_id = 4711 GROUP BY e.currency;

-- index: ledger_entries_account_id_currency_epoch_xid_idx
SELECT sum(e.amount) FROM ledger_entries AS e
WHERE e.account_id = (
    SELECT a.id FROM ledger_accounts AS a WHERE a.kind = 'clearing' AND a.currency = 'USD' AND a.provider = 'testpay_1'
) AND e.currency = 'USD' AND (e.epoch, e.xid) >= (1, '99000');

-- index: ledger_entries_account_id_account_entry_key
SELECT e.amount, e.balance_after FROM ledger_entries AS e WHERE e.account_id = 4711 AND e.account_entry IS NOT NULL
ORDER BY e.account_entry DESC LIMIT 20;

-- index: payment_analytics_day_provider_currency_key
SELECT a.provider, a.currency, a.captured_amount FROM payment_analytics AS a WHERE a.day BETWEEN '2025-05-01' AND '2025-05-07';

-- index: payment_methods_provider_token_key
SELECT m.id, m.user_id FROM payment_methods AS m WHERE m.provider = 'testpay' AND m.token = 'tok_plans_4711';

-- index: payments_currency_id_key
-- when a currency goes
SELECT FROM payments AS p WHERE p.currency = 'XAU' FOR KEY SHARE;

-- index: payment_requests_user_id_key_key
SELECT r.id, r.state, r.body FROM payment_requests AS r WHERE r.user_id = 4711 AND r.key = 'plans-4711';

-- index: payment_disputes_provider_provider_reference_key
SELECT d.id FROM payment_disputes AS d WHERE d.provider = 'testpay' AND d.provider_reference = 'dp_4711';

-- index: payment_dispute_evidence_dispute_id_key_key
SELECT e.kind FROM payment_dispute_evidence AS e
WHERE e.dispute_id = '01900000-0000-7000-8000-000000004711' AND e.key = 'plans-4711';

-- index: provider_events_provider_event_id_key
SELECT e.id, e.state FROM provider_events AS e WHERE e.provider = 'testpay' AND e.event_id = 'evt_4711';

-- index: ledger_accounts_currency_id_key
SELECT FROM ledger_accounts AS a WHERE a.currency = 'XAU' FOR KEY SHARE;

-- index: ledger_balance_snapshots_pkey
SELECT s.epoch, s.xid, s.balance FROM ledger_balance_snapshots AS s
WHERE s.account_id = (
    SELECT a.id FROM ledger_accounts AS a WHERE a.kind = 'clearing' AND a.currency = 'USD' AND a.provider = 'testpay_1'
)
ORDER BY s.epoch DESC, s.xid DESC LIMIT 1;
