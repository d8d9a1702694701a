-- yoyo 9's own tables, in the service's schema, so that `yoyo list` agrees.
CREATE TABLE IF NOT EXISTS {schema}._yoyo_migration (
    migration_hash varchar(64) NOT NULL PRIMARY KEY,
    migration_id varchar(255),
    applied_at_utc timestamp
);
CREATE TABLE IF NOT EXISTS {schema}._yoyo_log (
    id varchar(36) NOT NULL PRIMARY KEY,
    migration_hash varchar(64),
    migration_id varchar(255),
    operation varchar(10),
    username varchar(255),
    hostname varchar(255),
    comment varchar(255),
    created_at_utc timestamp
);
CREATE TABLE IF NOT EXISTS {schema}._yoyo_version (
    version integer NOT NULL PRIMARY KEY,
    installed_at_utc timestamp
);
INSERT INTO {schema}._yoyo_version (version, installed_at_utc)
SELECT v.version, now() AT TIME ZONE 'UTC'
FROM (VALUES (2)) AS v (version)
ON CONFLICT DO NOTHING;
