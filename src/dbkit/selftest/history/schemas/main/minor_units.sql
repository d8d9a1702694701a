-- phase: before
CREATE OR REPLACE FUNCTION main.minor_units(p_amount numeric) RETURNS integer
LANGUAGE sql IMMUTABLE
AS $$ SELECT (p_amount * 100)::integer $$;
