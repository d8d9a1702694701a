SELECT coalesce(array_agg(c.event_id), '{}') AS ids, min(c.lease_token::text) AS token, sum(length(c.payload::text)) AS size
FROM orders.claim_outbox_events('t', 'w', :batch) AS c
\gset
SELECT count(*) FROM orders.complete_outbox_events('t', :token, :ids)
