-- dbkit's journal, version 2: runs have rows of their own; cursors of backfills; the lease behind a pooler.
ALTER TABLE dbkit.journal
DROP CONSTRAINT journal_event_check,
DROP CONSTRAINT journal_kind_check,
ADD CONSTRAINT journal_event_check CHECK (event IN (
    'started', 'intended', 'done', 'applied', 'failed', 'interrupted', 'rolled back',
    'deployed', 'dropped', 'baselined', 'repaired', 'finished'
)),
ADD CONSTRAINT journal_kind_check CHECK (kind IN ('migration', 'routine', 'run'));

CREATE OR REPLACE VIEW dbkit.state AS
SELECT DISTINCT ON (j.object)
    j.object,
    j.service,
    j.kind,
    j.event,
    j.at,
    j.id,
    j.run,
    j.text_hash,
    j.checksum,
    j.detail
FROM dbkit.journal AS j
WHERE
    j.kind <> 'run' AND j.event NOT IN ('intended', 'done')
    AND coalesce(j.detail ->> 'direction', 'up') = 'up'
ORDER BY j.object, j.id DESC;

CREATE FUNCTION dbkit.journal_row_hash(p_previous bytea, p_row dbkit.journal) RETURNS bytea
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RETURN sha256(p_previous || convert_to(concat_ws(
        E'\x1f', '1', p_row.id, extract(EPOCH FROM p_row.at), p_row.run, p_row.event, p_row.kind,
        p_row.service, p_row.object, coalesce(p_row.statement::text, '-'), coalesce(p_row.rendered, '-'),
        coalesce(p_row.rollback, '-'), coalesce(p_row.text_hash, '-'), coalesce(p_row.checksum, '-'),
        coalesce(p_row.detail::text, '-'), p_row.database_role, p_row.os_user, p_row.host, p_row.pid,
        p_row.dbkit_version, coalesce(p_row.git_commit, '-'), p_row.environment, p_row.server_version,
        p_row.wal_position, coalesce(p_row.fingerprint, '-')
    ), 'UTF8'));
END
$function$;
COMMENT ON FUNCTION dbkit.journal_row_hash(bytea, dbkit.journal) IS
'The hash of a row of the journal, chained to the hash of the row before it.';

CREATE OR REPLACE FUNCTION dbkit.tg_journal_chain() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT coalesce((SELECT j.hash FROM dbkit.journal AS j ORDER BY j.id DESC LIMIT 1), '\x'::bytea)
    INTO STRICT NEW.previous;
    NEW.hash := dbkit.journal_row_hash(NEW.previous, NEW);
    RETURN NEW;
END
$function$;

CREATE TABLE dbkit.progress (
    object text CONSTRAINT progress_pkey PRIMARY KEY,
    run uuid NOT NULL,
    checksum text NOT NULL,
    cursor text,
    upper_bound text NOT NULL,
    rows_touched bigint NOT NULL DEFAULT 0,
    chunks bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE dbkit.progress IS
'Where a backfill under way stands: keys up to `cursor` are done, those above `upper_bound` are not its business.';

CREATE TABLE dbkit.lease (
    id boolean NOT NULL DEFAULT TRUE CONSTRAINT lease_pkey PRIMARY KEY CONSTRAINT lease_one_row_check CHECK (id),
    token bigint NOT NULL,
    holder text NOT NULL,
    taken_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE dbkit.lease IS 'Which run through a pooler has this database, until when; the token rises with each.';

INSERT INTO dbkit.version (version) VALUES (2);
