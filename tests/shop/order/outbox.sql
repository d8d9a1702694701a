-- The outbox, seen from one session. What takes several is in test_outbox*.py.

-- test: events can't be rewritten
-- raises: SH400
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('thing', '1', 'thing.made', '{}', 'k');
UPDATE orders.outbox_events SET payload = '{}';

-- test: events can't be deleted
-- raises: SH400
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('thing', '1', 'thing.made', '{}', 'k');
DELETE FROM orders.outbox_events;

-- test: events can't be emptied away
-- raises: SH400
TRUNCATE orders.outbox_events;

-- test: an event can't be written on an old snapshot
-- raises: SH401
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('thing', '1', 'thing.made', '{}', 'k');

-- test: nobody claims for a consumer that there isn't
-- raises: SH402
SELECT * FROM orders.claim_outbox_events('nobody', 'w');

-- test: a batch has a size that a worker can mean
-- raises: SH403
SELECT orders.register_outbox_consumer('t');
SELECT * FROM orders.claim_outbox_events('t', 'w', 1001);

-- test: a lease lasts as long as a worker can mean
-- raises: SH403
SELECT orders.register_outbox_consumer('t');
SELECT * FROM orders.extend_outbox_lease('t', gen_random_uuid(), '{}', '0 seconds');

-- test: an error that may be a sentence is refused
-- raises: SH404
SELECT orders.register_outbox_consumer('t');
SELECT * FROM orders.fail_outbox_event(
    't', gen_random_uuid(), gen_random_uuid(), 'mail to ada@example.com failed'
);

-- test: a consumer with open deliveries keeps its order
-- raises: SH405
SELECT orders.register_outbox_consumer('t');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('thing', '1', 'thing.made', '{}', 'k');
SELECT orders.register_outbox_consumer('t', '{}', 'none');

-- test: a new consumer gets what was there before it, the rest of a key waiting
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't.a', '{}', 'k'), ('t', '1', 't.b', '{}', 'k'), ('t', '2', 't.b', '{}', 'l');
SELECT orders.register_outbox_consumer('t', '{t.a,t.b}');
SELECT w.keys
FROM (
    SELECT array_agg(d.partition_key || d.is_waiting ORDER BY d.key_seq) AS keys
    FROM orders.outbox_deliveries AS d
    WHERE d.consumer = 't'
) AS w
WHERE w.keys IS DISTINCT FROM ARRAY['kfalse', 'ktrue', 'lfalse'];

-- test: a consumer gets the types it asked for, and no others
SELECT orders.register_outbox_consumer('t', '{t.b}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't.a', '{}', 'k'), ('t', '1', 't.b', '{}', 'k');
SELECT c.types
FROM (SELECT array_agg(e.type) AS types FROM orders.claim_outbox_events('t', 'w') AS e) AS c
WHERE c.types IS DISTINCT FROM ARRAY['t.b'];

-- test: urgent heads first, then the oldest; an urgent event waits for its elders
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (
    aggregatetype, aggregateid, type, payload, partition_key, priority
)
VALUES
('t', '1', 't', '{}', 'a', 5), ('t', '2', 't', '{}', 'a', 0), ('t', '3', 't', '{}', 'b', 5),
('t', '4', 't', '{}', 'c', 0), ('t', '5', 't', '{}', 'd', 10);
SELECT o.heads
FROM (
    SELECT array_agg(c.aggregateid ORDER BY c.place) AS heads
    FROM orders.claim_outbox_events('t', 'w') WITH ORDINALITY AS c (
        event_id, aggregatetype, aggregateid, type, payload, partition_key, key_seq, priority,
        attempt, lease_token, leased_until, created_at, place
    )
) AS o
WHERE o.heads IS DISTINCT FROM ARRAY['4', '1', '3', '5'];

-- test: a claim takes no more than its batch, the most urgent of all
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (
    aggregatetype, aggregateid, type, payload, partition_key, priority
)
SELECT 't', n::text, 't', '{}', n::text, 10 - n FROM generate_series(1, 6) AS n;
SELECT o.heads
FROM (
    SELECT array_agg(c.aggregateid ORDER BY c.priority) AS heads
    FROM orders.claim_outbox_events('t', 'w', 2) AS c
) AS o
WHERE o.heads IS DISTINCT FROM ARRAY['6', '5'];

-- test: a consumer without order gets all events of a key at once
SELECT orders.register_outbox_consumer('t', '{t}', 'none');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
SELECT 't', '1', 't', '{}', 'k' FROM generate_series(1, 3);
SELECT c.n
FROM (SELECT count(*) AS n FROM orders.claim_outbox_events('t', 'w')) AS c
WHERE c.n <> 3;

-- test: completing the head hands out the next of the key
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k'), ('t', '3', 't', '{}', 'k');
SELECT orders.complete_outbox_events('t', c.lease_token, ARRAY[c.event_id])
FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT c.heads
FROM (
    SELECT array_agg(e.aggregateid) AS heads FROM orders.claim_outbox_events('t', 'w') AS e
) AS c
WHERE c.heads IS DISTINCT FROM ARRAY['2'];

-- test: a delivery that is deleted by hand wakes the next of its key
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k');
DELETE FROM orders.outbox_deliveries AS d WHERE d.consumer = 't' AND NOT d.is_waiting;
SELECT c.heads
FROM (
    SELECT array_agg(e.aggregateid) AS heads FROM orders.claim_outbox_events('t', 'w') AS e
) AS c
WHERE c.heads IS DISTINCT FROM ARRAY['2'];

-- test: a later event of a key is not claimed even where nothing says that it waits
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (
    aggregatetype, aggregateid, type, payload, partition_key, priority
)
VALUES ('t', '1', 't', '{}', 'k', 5), ('t', '2', 't', '{}', 'k', 0);
UPDATE orders.outbox_deliveries SET is_waiting = FALSE;
SELECT e.aggregateid FROM orders.claim_outbox_events('t', 'w') AS e WHERE e.aggregateid <> '1';

-- test: two events of a key can't be in hand at once, whatever wrote the lease
-- raises: 23505
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k');
UPDATE orders.outbox_deliveries
SET is_waiting = FALSE, lease_token = gen_random_uuid(), worker = 'by hand';

-- test: a lost lease completes, extends and fails nothing
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k');
SELECT orders.claim_outbox_events('t', 'w');
SELECT c.is_completed, e.leased_until, f.outcome
FROM orders.outbox_deliveries AS d
CROSS JOIN LATERAL orders.complete_outbox_events(
    't', gen_random_uuid(), ARRAY[d.event_id]
) AS c
LEFT JOIN LATERAL orders.extend_outbox_lease(
    't', gen_random_uuid(), ARRAY[d.event_id]
) AS e ON TRUE
CROSS JOIN LATERAL orders.fail_outbox_event('t', gen_random_uuid(), d.event_id, 'E') AS f
WHERE c.is_completed OR e.leased_until IS NOT NULL OR f.outcome <> 'refused';

-- test: a lease is extended from now
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k');
SELECT e.leased_until
FROM orders.claim_outbox_events('t', 'w') AS c
LEFT JOIN LATERAL orders.extend_outbox_lease(
    't', c.lease_token, ARRAY[c.event_id], '10 minutes'
) AS e ON TRUE
WHERE (e.leased_until > c.leased_until + interval '8 minutes') IS NOT TRUE;

-- test: a failure comes back later, within half of the wait and the whole of it
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'block', 12, '10 minutes', '1 hour');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
SELECT 't', n::text, 't', '{}', n::text FROM generate_series(1, 50) AS n;
SELECT f.run_at
FROM orders.claim_outbox_events('t', 'w') AS c
CROSS JOIN LATERAL orders.fail_outbox_event('t', c.lease_token, c.event_id, 'http.503') AS f
WHERE
    f.outcome <> 'retry'
    OR f.run_at NOT BETWEEN clock_timestamp() + interval '299 seconds'
    AND clock_timestamp() + interval '600 seconds';

-- test: the wait doubles up to its cap
SELECT w.attempt
FROM (VALUES (1, '2 s'), (2, '4 s'), (11, '2048 s'), (12, '1 h'), (400, '1 h')) AS w (attempt, wait)
WHERE orders.outbox_backoff(w.attempt, '2 s', '1 h') <> w.wait::interval;

-- test: block leaves a dead head in place, requeueing it keeps the order
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'block', 1);
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k');
SELECT orders.fail_outbox_event('t', c.lease_token, c.event_id, 'http.503')
FROM orders.claim_outbox_events('t', 'w') AS c;
CREATE TEMPORARY TABLE seen (place integer, answer text) ON COMMIT DROP;
INSERT INTO seen
SELECT 1, concat_ws(' ', b.partition_key, b.last_error, b.waiting_count)
FROM orders.blocked_partition_keys('t') AS b;
INSERT INTO seen SELECT 2, c.aggregateid FROM orders.claim_outbox_events('t', 'w') AS c;
INSERT INTO seen SELECT 3, r.is_in_order::text FROM orders.requeue_dead_letters('t') AS r;
INSERT INTO seen SELECT 4, c.aggregateid FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT s.answers
FROM (SELECT array_agg(n.place || ' ' || n.answer ORDER BY n.place) AS answers FROM seen AS n) AS s
WHERE s.answers IS DISTINCT FROM ARRAY['1 k http.503 1', '3 true', '4 1'];

-- test: skip lets the key go on, a dead letter comes back at its end and says so
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'skip', 1);
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k'), ('t', '3', 't', '{}', 'k');
SELECT orders.fail_outbox_event('t', c.lease_token, c.event_id, 'http.503')
FROM orders.claim_outbox_events('t', 'w') AS c;
CREATE TEMPORARY TABLE seen (place integer, answer text) ON COMMIT DROP;
INSERT INTO seen
SELECT 1, l.attempts || ' ' || (l.errors #>> '{0,code}') FROM orders.outbox_dead_letters AS l;
INSERT INTO seen SELECT 2, r.is_in_order::text FROM orders.requeue_dead_letters('t') AS r;
INSERT INTO seen SELECT 3, c.aggregateid FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT orders.complete_outbox_events('t', d.lease_token, ARRAY[d.event_id])
FROM orders.outbox_deliveries AS d WHERE d.lease_token IS NOT NULL;
INSERT INTO seen SELECT 4, c.aggregateid FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT orders.complete_outbox_events('t', d.lease_token, ARRAY[d.event_id])
FROM orders.outbox_deliveries AS d WHERE d.lease_token IS NOT NULL;
INSERT INTO seen SELECT 5, c.aggregateid FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT s.answers
FROM (SELECT array_agg(n.answer ORDER BY n.place) AS answers FROM seen AS n) AS s
WHERE s.answers IS DISTINCT FROM ARRAY['1 http.503', 'false', '2', '3', '1'];

-- test: a blocking event is skipped by hand, once
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'block', 1);
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k'), ('t', '2', 't', '{}', 'k');
SELECT orders.fail_outbox_event('t', c.lease_token, c.event_id, 'http.503')
FROM orders.claim_outbox_events('t', 'w') AS c;
SELECT first.skipped, again.skipped, e.aggregateid
FROM (SELECT b.event_id FROM orders.blocked_partition_keys('t') AS b OFFSET 0) AS b
CROSS JOIN LATERAL orders.skip_blocked_event('t', b.event_id) AS first (skipped)
CROSS JOIN LATERAL orders.skip_blocked_event('t', b.event_id) AS again (skipped)
LEFT JOIN LATERAL orders.claim_outbox_events('t', 'w') AS e ON first.skipped
WHERE (first.skipped, again.skipped, e.aggregateid) IS DISTINCT FROM (TRUE, FALSE, '2');

-- test: a worker that dies on an event again and again uses its attempts up
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'skip', 2);
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k');
SELECT orders.claim_outbox_events('t', 'first');
UPDATE orders.outbox_deliveries SET run_at = clock_timestamp();
SELECT orders.claim_outbox_events('t', 'second');
UPDATE orders.outbox_deliveries SET run_at = clock_timestamp();
SELECT orders.claim_outbox_events('t', 'third');
SELECT l.attempts, l.errors
FROM (VALUES (1)) AS one (n)
LEFT JOIN orders.outbox_dead_letters AS l ON l.consumer = 't'
WHERE
    (l.attempts, l.errors #>> '{0,worker}', l.errors #>> '{1,worker}', l.errors #>> '{1,code}')
    IS DISTINCT FROM (2, 'first', 'second', 'lease_expired');

-- test: of many failures the last five are kept
SELECT e.errors
FROM (
    SELECT orders.add_outbox_error(
        '[{"code": "1"}, {"code": "2"}, {"code": "3"}, {"code": "4"}, {"code": "5"}]',
        'six', 6, 'w', now()
    ) AS errors
) AS e
WHERE jsonb_array_length(e.errors) <> 5 OR e.errors #>> '{4,code}' <> 'six';

-- test: health counts every delivery once
SELECT orders.register_outbox_consumer('t', '{t}', 'strict', 'block', 1);
INSERT INTO orders.outbox_events (
    aggregatetype, aggregateid, type, payload, partition_key, priority
)
VALUES
('t', '1', 't', '{}', 'dead', 0), ('t', '2', 't', '{}', 'dead', 0),
('t', '3', 't', '{}', 'leased', 1), ('t', '4', 't', '{}', 'ready', 2);
SELECT orders.fail_outbox_event('t', c.lease_token, c.event_id, 'E')
FROM orders.claim_outbox_events('t', 'w', 1) AS c;
SELECT orders.claim_outbox_events('t', 'w', 1);
SELECT h.*
FROM orders.outbox_health() AS h
WHERE
    h.consumer = 't'
    AND (
        h.open_count, h.ready_count, h.retry_count, h.waiting_count, h.leased_count,
        h.blocked_count, h.dead_letter_count
    ) IS DISTINCT FROM (4, 1, 0, 1, 1, 1, 0);

-- test: an unregistered consumer leaves nothing behind
SELECT orders.register_outbox_consumer('t', '{t}');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('t', '1', 't', '{}', 'k');
SELECT orders.unregister_outbox_consumer('t');
SELECT d.consumer FROM orders.outbox_deliveries AS d WHERE d.consumer = 't'
UNION ALL
SELECT c.name FROM orders.outbox_consumers AS c WHERE c.name = 't';

-- test: a month with an open delivery is not released
-- raises: SH406
SELECT orders.register_outbox_consumer('held');
INSERT INTO orders.outbox_events (aggregatetype, aggregateid, type, payload, partition_key)
VALUES ('order', '1', 'order.created', '{}', '1');
SELECT orders.release_outbox_month(now() - interval '1 day', now() + interval '1 day');
