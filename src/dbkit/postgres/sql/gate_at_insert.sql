-- For `dbkit selftest`: whoever writes a certain row of the journal waits for an advisory lock.
CREATE OR REPLACE FUNCTION public.a_gate() RETURNS trigger
LANGUAGE plpgsql VOLATILE
AS $function$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock({key});
    RETURN NEW;
END
$function$;
CREATE TRIGGER a_gate BEFORE INSERT ON dbkit.journal
FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION public.a_gate();
