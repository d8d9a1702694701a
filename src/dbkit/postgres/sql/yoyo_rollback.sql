-- yoyo's mark of a migration that is rolled back taken away, and the line in yoyo's log.
WITH unmarked AS (
    DELETE FROM {schema}._yoyo_migration WHERE migration_hash = %(hash)s
)
INSERT INTO {schema}._yoyo_log (
    id, migration_hash, migration_id, operation, username, hostname, created_at_utc
) VALUES (
    pg_catalog.gen_random_uuid(), %(hash)s, %(name)s, 'rollback', %(user)s, %(host)s, pg_catalog.now() AT TIME ZONE 'UTC'
)
