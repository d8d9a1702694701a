WITH picked AS MATERIALIZED (
    SELECT d.event_id
    FROM public.plain_deliveries AS d
    WHERE d.consumer = 't' AND d.run_at <= now() AND d.died_at IS NULL
    ORDER BY d.priority, d.run_at, d.key_seq
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
),

token AS MATERIALIZED (SELECT gen_random_uuid() AS lease_token),

leased AS (
    UPDATE public.plain_deliveries AS d
    SET attempts = d.attempts + 1, lease_token = t.lease_token, worker = 'w', run_at = now() + interval '60 seconds'
    FROM picked AS p, token AS t
    WHERE d.consumer = 't' AND d.event_id = p.event_id
    RETURNING d.event_id, d.event_created_at, d.lease_token
)

SELECT coalesce(array_agg(l.event_id), '{}') AS ids, min(l.lease_token::text) AS token, sum(length(e.payload::text)) AS size
FROM leased AS l
INNER JOIN orders.outbox_events AS e ON e.id = l.event_id AND e.created_at = l.event_created_at
\gset
DELETE FROM public.plain_deliveries AS d
WHERE d.consumer = 't' AND d.event_id = ANY(:ids::uuid[]) AND d.lease_token = :token::uuid
