-- For `dbkit selftest`: a transaction that writes the mark of a migration takes longer to commit, so that a kill may meet it there.
CREATE FUNCTION public.tg_slow_commit() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
    PERFORM pg_catalog.pg_sleep(0.08);
    RETURN NEW;
END
$function$;
CREATE FUNCTION public.slow_commits() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() AS c
        WHERE c.object_identity = 'dbkit.journal' AND c.command_tag = 'CREATE TABLE'
    ) THEN
        CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON dbkit.journal DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.event IN ('applied', 'done', 'rolled back', 'deployed'))
        EXECUTE FUNCTION public.tg_slow_commit();
    END IF;
END
$function$;
CREATE EVENT TRIGGER slow_commits ON ddl_command_end WHEN TAG IN ('CREATE TABLE')
EXECUTE FUNCTION public.slow_commits();
