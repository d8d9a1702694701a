-- yoyo's mark of a migration that went in, and its line in yoyo's log.
WITH marked AS (
    INSERT INTO {schema}._yoyo_migration (migration_hash, migration_id, applied_at_utc)
    VALUES (%(hash)s, %(name)s, pg_catalog.now() AT TIME ZONE 'UTC')
)
INSERT INTO {schema}._yoyo_log (
    id, migration_hash, migration_id, operation, username, hostname, created_at_utc
) VALUES (
    pg_catalog.gen_random_uuid(), %(hash)s, %(name)s, 'apply', %(user)s, %(host)s, pg_catalog.now() AT TIME ZONE 'UTC'
)
