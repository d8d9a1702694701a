WITH picked AS MATERIALIZED (
    SELECT d.event_id
    FROM public.plain_deliveries AS d
    WHERE d.consumer = 't' AND d.run_at <= now() AND d.died_at IS NULL
    ORDER BY d.priority, d.run_at, d.key_seq
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
),

gone AS (
    DELETE FROM public.plain_deliveries AS d
    USING picked AS p
    WHERE d.consumer = 't' AND d.event_id = p.event_id
    RETURNING d.event_id, d.event_created_at
)

SELECT sum(length(e.payload::text))
FROM gone AS g
INNER JOIN orders.outbox_events AS e ON e.id = g.event_id AND e.created_at = g.event_created_at
