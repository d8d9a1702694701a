-- For `dbkit selftest`: whoever has written a certain row of the journal waits for an advisory lock when it commits.
CREATE OR REPLACE FUNCTION public.a_gate() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock({key});
    RETURN NEW;
END
$function$;
CREATE CONSTRAINT TRIGGER a_gate AFTER INSERT ON dbkit.journal DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.a_gate();
