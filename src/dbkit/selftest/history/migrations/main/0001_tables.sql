CREATE FUNCTION main.slowly(p_value integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    PERFORM pg_catalog.pg_sleep(0.0005);
    RETURN p_value;
END
$$;
CREATE TABLE main.ran (step text NOT NULL);
CREATE TABLE main.account (
    id integer CONSTRAINT account_pkey PRIMARY KEY,
    email text NOT NULL,
    balance integer,
    touched integer NOT NULL DEFAULT 0
);
INSERT INTO main.account (id, email)
SELECT n * 3, 'user' || n || '@example.org' FROM generate_series(1, 240) AS n;
INSERT INTO main.ran VALUES ('0001');
