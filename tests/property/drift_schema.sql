-- One object of every kind that a service's schema can own, each leaning on others.
CREATE TYPE main.mood AS ENUM ('sad', 'ok', 'glad');
CREATE TYPE main.pair AS (one integer, "Big two" text);
CREATE TYPE main.span AS RANGE (SUBTYPE = numeric);
CREATE DOMAIN main.amount AS numeric(12, 2) DEFAULT 0 CONSTRAINT amount_check CHECK (VALUE >= 0);
CREATE COLLATION main.plain (PROVIDER = libc, LOCALE = 'C');
CREATE CONVERSION main.from_latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE SEQUENCE main.numbers INCREMENT BY 5;
CREATE FUNCTION main.clean(p_text text) RETURNS text LANGUAGE sql IMMUTABLE STRICT RETURN lower(btrim(p_text));
CREATE FUNCTION main.next_number(p_step integer DEFAULT 1) RETURNS bigint LANGUAGE sql
    RETURN nextval('main.numbers') * p_step;
CREATE FUNCTION main.add_up(p_state bigint, p_value integer) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN p_state + p_value;
CREATE AGGREGATE main.total(integer) (SFUNC = main.add_up, STYPE = bigint, INITCOND = '0');
CREATE FUNCTION main.nearly(p_one integer, p_two integer) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN abs(p_one - p_two) < 2;
CREATE OPERATOR main.=~ (FUNCTION = main.nearly, LEFTARG = integer, RIGHTARG = integer);
CREATE FUNCTION main.as_mood(p_number integer) RETURNS main.mood LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN p_number > 0 THEN 'glad'::main.mood ELSE 'sad'::main.mood END;
CREATE CAST (integer AS main.mood) WITH FUNCTION main.as_mood(integer);
CREATE TEXT SEARCH DICTIONARY main.words (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION main.search (PARSER = pg_catalog."default");
ALTER TEXT SEARCH CONFIGURATION main.search ADD MAPPING FOR asciiword, word WITH main.words, pg_catalog.simple;

CREATE TABLE main.people (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT people_pkey PRIMARY KEY,
    name text NOT NULL CONSTRAINT people_name_key UNIQUE,
    nick text COLLATE main.plain,
    age integer DEFAULT 18,
    mood main.mood NOT NULL DEFAULT 'ok',
    moods main.mood[],
    worth main.amount,
    pair main.pair,
    born date,
    number bigint DEFAULT main.next_number(),
    slug text GENERATED ALWAYS AS (main.clean(name)) STORED,
    CONSTRAINT people_age_check CHECK (age >= 0),
    CONSTRAINT people_mood_check CHECK (mood <> 'sad' OR age > 1)
) WITH (fillfactor = 90);
CREATE TABLE main.pets (
    id serial CONSTRAINT pets_pkey PRIMARY KEY,
    person_id bigint CONSTRAINT pets_person_id_fk REFERENCES main.people ON DELETE CASCADE,
    "Kind of" varchar(20) DEFAULT 'cat',
    during main.span,
    CONSTRAINT pets_during_excl EXCLUDE USING gist (during WITH &&)
);
CREATE UNLOGGED TABLE main.cache (key text CONSTRAINT cache_pkey PRIMARY KEY, value jsonb);
CREATE TABLE main.beasts (tail boolean) INHERITS (main.pets);
CREATE TABLE main.events (
    id bigint,
    at date NOT NULL,
    what text DEFAULT 'x',
    CONSTRAINT events_pkey PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
CREATE TABLE main.events_1 PARTITION OF main.events FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
CREATE TABLE main.events_2 PARTITION OF main.events FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');

CREATE INDEX people_name_idx ON main.people (lower(name), age DESC);
CREATE INDEX people_slug_idx ON main.people (main.clean(slug)) WHERE mood = 'glad';
CREATE UNIQUE INDEX pets_kind_idx ON main.pets ("Kind of", id) INCLUDE (person_id) WITH (fillfactor = 80);
CREATE INDEX events_what_idx ON main.events (what);
CREATE STATISTICS main.people_stats (ndistinct) ON name, age FROM main.people;

CREATE VIEW main.adults WITH (security_invoker = true) AS
    SELECT p.id, p.name, p.mood, p.age FROM main.people AS p WHERE p.age > 17 AND p.mood <> 'sad';
CREATE VIEW main.named AS SELECT a.id, a.name AS label, main.clean(a.name) AS clean FROM main.adults AS a;
CREATE MATERIALIZED VIEW main.moods AS SELECT a.mood, count(*) AS people FROM main.adults AS a GROUP BY a.mood;
CREATE UNIQUE INDEX moods_mood_idx ON main.moods (mood);
CREATE FUNCTION main.count_adults() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM main.adults; END;
CREATE FUNCTION main.who(p_id bigint, OUT o_name text, OUT o_mood main.mood) LANGUAGE plpgsql STABLE
    SET search_path = main, pg_temp AS $$ BEGIN SELECT name, mood INTO o_name, o_mood FROM people WHERE id = p_id; END $$;
CREATE PROCEDURE main.clear(p_before date) LANGUAGE sql BEGIN ATOMIC DELETE FROM main.events WHERE at < p_before; END;

CREATE FUNCTION main.tg_people() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER people_touch BEFORE UPDATE OF name, age ON main.people
    FOR EACH ROW WHEN (new.age IS DISTINCT FROM old.age) EXECUTE FUNCTION main.tg_people();
CREATE TRIGGER events_touch BEFORE INSERT ON main.events FOR EACH ROW EXECUTE FUNCTION main.tg_people();
CREATE TRIGGER events_once AFTER TRUNCATE ON main.events FOR EACH STATEMENT EXECUTE FUNCTION main.tg_people();
CREATE CONSTRAINT TRIGGER people_last AFTER INSERT ON main.people
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION main.tg_people();
CREATE RULE cache_quiet AS ON DELETE TO main.cache DO INSTEAD NOTHING;
ALTER TABLE main.people ENABLE ROW LEVEL SECURITY;
CREATE POLICY people_grown ON main.people FOR SELECT TO scratch_main_app USING (age > 17 AND main.clean(name) <> '');
CREATE POLICY people_own ON main.people AS RESTRICTIVE FOR UPDATE USING (mood = 'glad') WITH CHECK (age > 0);

ALTER TABLE main.people ALTER COLUMN nick SET STORAGE EXTERNAL, ALTER COLUMN age SET STATISTICS 200;
ALTER TABLE main.pets REPLICA IDENTITY USING INDEX pets_pkey;
ALTER DEFAULT PRIVILEGES IN SCHEMA main GRANT SELECT ON TABLES TO scratch_main_readonly;
GRANT SELECT, INSERT ON main.people TO scratch_main_app;
GRANT UPDATE (name, nick) ON main.people TO scratch_main_app;
GRANT SELECT ON main.adults TO scratch_main_app WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE main.numbers TO scratch_main_app;
REVOKE EXECUTE ON FUNCTION main.clean(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION main.clean(text) TO scratch_main_app;
REVOKE USAGE ON TYPE main.mood FROM PUBLIC;
COMMENT ON TABLE main.people IS 'who we know';
COMMENT ON COLUMN main.people.name IS 'as it''s written';
COMMENT ON CONSTRAINT people_age_check ON main.people IS 'nobody is younger';
COMMENT ON INDEX main.people_name_idx IS 'for the search';
COMMENT ON VIEW main.adults IS 'grown';
COMMENT ON COLUMN main.adults.name IS 'theirs';
COMMENT ON FUNCTION main.clean(text) IS 'lower and trimmed';
COMMENT ON TYPE main.mood IS 'how they are';
COMMENT ON TRIGGER people_touch ON main.people IS 'touches';
COMMENT ON POLICY people_grown ON main.people IS 'adults';
COMMENT ON COLUMN main.pair.one IS 'the first';
COMMENT ON COLUMN main.pair."Big two" IS 'the second';
COMMENT ON CONSTRAINT amount_check ON DOMAIN main.amount IS 'no debts';
