-- ops and audit of any service, as superuser with triggers off.
INSERT INTO ops.privacy_keys (subject_id) SELECT n FROM generate_series(1, 100000) AS n;

INSERT INTO audit.row_changes (at, epoch, xid, table_name, operation, row_key, changes)
SELECT
    now() - (100000 - n) * interval '1 millisecond', 1, n::text::xid8, 'a.table_' || n % 5, 'UPDATE',
    (n % 20000)::text, '{"state": {"old": "a", "new": "b"}}'
FROM generate_series(1, 100000) AS n;

-- ten years of a seal a minute would be five million; a hundred thousand are ten weeks
INSERT INTO audit.seals (
    number, kind, epoch, first_xid, last_xid, month_start, change_count, first_at, last_at, root,
    previous_hash, hash, sealed_at
)
SELECT
    n, 'batch', 1, n::text::xid8, n::text::xid8,
    date_trunc('month', now(), 'UTC') - n % 40 * interval '1 month', 1, now(), now(),
    sha256(n::text::bytea), sha256(n::text::bytea), sha256(n::text::bytea), now()
FROM generate_series(1, 100000) AS n;

INSERT INTO audit.seal_leaves (seal_number, month_start, change_ids, change_hashes)
SELECT s.number, date_trunc('month', now(), 'UTC'), '{1}', ARRAY[sha256('1')] FROM audit.seals AS s;

INSERT INTO audit.retired (month_start, seal_number, change_count)
SELECT s.month_start, max(s.number), 1 FROM audit.seals AS s GROUP BY s.month_start;

INSERT INTO ops.erasures (erased_rows) SELECT '[]' FROM generate_series(1, 100000);

INSERT INTO ops.partition_exits (partition_name, table_name, starts_at, ends_at)
SELECT 'a.table_p' || n, 'a.table', now(), now() FROM generate_series(1, 1000) AS n;
