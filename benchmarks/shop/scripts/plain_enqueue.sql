WITH written AS (
    INSERT INTO public.plain_events (aggregatetype, aggregateid, type, payload)
    SELECT 'order', n::text, 'order.created', '{"total": 5000, "currency": "USD"}'
    FROM generate_series(1, :batch) AS n
    RETURNING id, created_at
)

INSERT INTO public.plain_deliveries (consumer, event_id, event_created_at, key_seq, priority, run_at, is_waiting)
SELECT 't', w.id, w.created_at, 0, 5, w.created_at, FALSE FROM written AS w
