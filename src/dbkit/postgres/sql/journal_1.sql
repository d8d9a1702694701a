-- dbkit's journal, version 1. One row an event, inserts only; what is true now is the view.
CREATE SCHEMA IF NOT EXISTS dbkit;
COMMENT ON SCHEMA dbkit IS 'What dbkit did to this database, by whom and when.';

CREATE TABLE dbkit.version (
    version integer NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE dbkit.version IS 'Versions of the journal''s own structure; the highest holds.';

CREATE TABLE dbkit.journal (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT journal_pkey PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    run uuid NOT NULL,
    event text NOT NULL CONSTRAINT journal_event_check CHECK (event IN (
        'started', 'intended', 'done', 'applied', 'failed', 'interrupted', 'rolled back',
        'deployed', 'dropped', 'baselined', 'repaired'
    )),
    kind text NOT NULL CONSTRAINT journal_kind_check CHECK (kind IN ('migration', 'routine')),
    service text NOT NULL,
    object text NOT NULL,
    statement integer,
    rendered text,
    rollback text,
    text_hash text,
    checksum text,
    detail jsonb,
    database_role text NOT NULL DEFAULT SESSION_USER,
    os_user text NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    dbkit_version text NOT NULL,
    git_commit text,
    environment text NOT NULL,
    server_version integer NOT NULL
        DEFAULT pg_catalog.current_setting('server_version_num')::integer,
    wal_position pg_lsn NOT NULL DEFAULT pg_catalog.pg_current_wal_insert_lsn(),
    fingerprint text,
    previous bytea NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX journal_object_id_idx ON dbkit.journal (object, id DESC);
COMMENT ON TABLE dbkit.journal IS
'One row an event of a migration or routine (object: service/name). Rows are chained by hash.';

CREATE FUNCTION dbkit.tg_journal_chain() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    SELECT coalesce((SELECT j.hash FROM dbkit.journal AS j ORDER BY j.id DESC LIMIT 1), '\x'::bytea)
    INTO STRICT NEW.previous;
    NEW.hash := sha256(NEW.previous || convert_to(concat_ws(
        E'\x1f', '1', NEW.id, extract(EPOCH FROM NEW.at), NEW.run, NEW.event, NEW.kind, NEW.service, NEW.object,
        coalesce(NEW.statement::text, '-'), coalesce(NEW.rendered, '-'), coalesce(NEW.rollback, '-'),
        coalesce(NEW.text_hash, '-'), coalesce(NEW.checksum, '-'), coalesce(NEW.detail::text, '-'),
        NEW.database_role, NEW.os_user, NEW.host, NEW.pid, NEW.dbkit_version,
        coalesce(NEW.git_commit, '-'), NEW.environment, NEW.server_version, NEW.wal_position,
        coalesce(NEW.fingerprint, '-')
    ), 'UTF8'));
    RETURN NEW;
END
$function$;

CREATE FUNCTION dbkit.tg_journal_refuse() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'SH490',
        MESSAGE = 'dbkit.journal takes inserts only',
        HINT = 'an entry is corrected by a later one';
END
$function$;

CREATE TRIGGER journal_chain BEFORE INSERT ON dbkit.journal
FOR EACH ROW EXECUTE FUNCTION dbkit.tg_journal_chain();
CREATE TRIGGER journal_refuse BEFORE UPDATE OR DELETE ON dbkit.journal
FOR EACH ROW EXECUTE FUNCTION dbkit.tg_journal_refuse();
CREATE TRIGGER journal_refuse_truncate BEFORE TRUNCATE ON dbkit.journal
FOR EACH STATEMENT EXECUTE FUNCTION dbkit.tg_journal_refuse();

CREATE VIEW dbkit.state AS
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
WHERE j.event NOT IN ('intended', 'done') AND coalesce(j.detail ->> 'direction', 'up') = 'up'
ORDER BY j.object, j.id DESC;
COMMENT ON VIEW dbkit.state IS 'The last event of every migration and routine; a rollback that failed changes nothing.';

INSERT INTO dbkit.version (version) VALUES (1);
