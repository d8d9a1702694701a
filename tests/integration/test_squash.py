"""`dbkit squash`: one file in place of many, which is the same, and which databases of every age understand."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest

from dbkit.errors import ConfigurationError
from scratch import Scratch

HISTORY = {
    "0001_a": (
        """
        CREATE TYPE main.mood AS ENUM ('good', 'bad');
        CREATE TABLE main.people (id serial PRIMARY KEY, name text NOT NULL, mood main.mood, gone text);
        COMMENT ON TABLE main.people IS 'It''s them; {{ all }} of {% them %}';
        CREATE TABLE main.twice AS SELECT 1 AS one FROM generate_series(1, 2);
        INSERT INTO main.people (name, mood) VALUES ('a; b', 'good'), (E'c\\nd', 'bad');
        """,
        "DROP TABLE main.people; DROP TABLE main.twice; DROP TYPE main.mood;",
    ),
    "0002_b": (
        """
        CREATE TABLE main.orders (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            person_id integer NOT NULL CONSTRAINT orders_person_id_fk REFERENCES main.people,
            placed_on date NOT NULL
        );
        CREATE TABLE main.log (at date NOT NULL, what text) PARTITION BY RANGE (at);
        CREATE TABLE main.log_2020 PARTITION OF main.log FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        GRANT SELECT, INSERT ON main.orders TO scratch_main_app;
        """,
        "DROP TABLE main.log; DROP TABLE main.orders;",
    ),
    "0003_c": (
        """
        ALTER TABLE main.people DROP COLUMN gone, ADD COLUMN born_on date;
        UPDATE main.people SET born_on = '2000-01-01' WHERE mood = 'good';
        CREATE FUNCTION main.age(p_born date) RETURNS integer LANGUAGE sql STABLE AS 'SELECT count(*)::integer FROM main.people';
        CREATE VIEW main.happy AS SELECT name FROM main.people WHERE mood = 'good';
        REVOKE ALL ON FUNCTION main.age(date) FROM PUBLIC;
        """,
        """
        DROP VIEW main.happy; DROP FUNCTION main.age(date);
        ALTER TABLE main.people DROP COLUMN born_on, ADD COLUMN gone text;
        """,
    ),
    "0004_d": (
        "-- transactional: false\nCREATE INDEX CONCURRENTLY orders_placed_on_idx ON main.orders (placed_on);",
        "-- transactional: false\nDROP INDEX CONCURRENTLY main.orders_placed_on_idx;",
    ),
}
LATER = {"0005_e": ("-- depends: 0004_d\nALTER TABLE main.orders ADD COLUMN note text;", "ALTER TABLE main.orders DROP COLUMN note;")}


def commit(root: Path) -> None:
    """Put everything under version control."""
    for command in (["init", "-q"], ["add", "-A"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all", "--allow-empty"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def write(scratch: Scratch, *histories: dict[str, tuple[str, str]]) -> None:
    """Write the migrations, and commit them."""
    for name, (up, down) in (item for history in histories for item in history.items()):
        scratch.migration(name, up, down)
    commit(scratch.root)


@lru_cache(maxsize=1)
def baseline_of_the_history() -> dict[str, bytes]:
    """What a squash of HISTORY writes: filled by the first test that squashes it."""
    return {}


def squash(scratch: Scratch) -> None:
    """Squash HISTORY: once with the command, then with the files that it wrote."""
    folder = scratch.root / "migrations/main"
    written = baseline_of_the_history()
    if not written:
        scratch.call("squash", "main", "--to", "4", code=0)
        written |= {path.name: path.read_bytes() for path in folder.glob("0004_baseline*")}
        return
    for name in HISTORY:
        for path in folder.glob(f"{name}.*"):
            path.unlink()
    for name, text in written.items():
        (folder / name).write_bytes(text)


def names(scratch: Scratch) -> list[str]:
    return sorted(path.name for path in (scratch.root / "migrations/main").iterdir())


def people(scratch: Scratch) -> list[str]:
    return scratch.column("SELECT name || coalesce(born_on::text, '') FROM main.people ORDER BY id")


def test_a_new_database_runs_the_baseline_and_is_what_the_old_one_is(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    before, rows = scratch.call("verify", "--fingerprint", code=0).out.split()[3], people(scratch)
    scratch.rollback(to="0")

    done = scratch.call("squash", "main", "--to", "4", code=0)

    assert names(scratch) == ["0004_baseline.rollback.sql", "0004_baseline.sql"]
    assert "0004_d ran without a transaction" in done.err
    scratch.migrate()
    assert scratch.states() == {"0004_baseline": "applied"}
    assert scratch.events()[-1] == ("applied", "0004_baseline")
    assert scratch.call("verify", "--fingerprint", code=0).out.split()[3] == before
    assert people(scratch) == rows == ["a; b2000-01-01", "c\nd"]
    assert scratch.column("SELECT one FROM main.twice") == [1, 1]
    assert scratch.value("INSERT INTO main.people (name) VALUES ('e') RETURNING id") == 3
    scratch.rollback()
    assert scratch.tables() == set()


def test_a_database_that_has_all_of_them_goes_on_as_if_nothing_had_happened(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)
    write(scratch, LATER)
    assert scratch.call("migrate", "--check", code=1).out.count("pending") == 2

    out = scratch.call("migrate", code=0).out

    assert "recognised  0004_baseline" in out
    assert scratch.events()[-2:] == [("baselined", "0004_baseline"), ("applied", "0005_e")]
    assert scratch.states() == {"0004_baseline": "applied", "0005_e": "applied"}
    assert "up to date" in scratch.call("migrate", code=0).out
    assert "no drift" in scratch.call("verify", code=0).out
    assert "unbroken" in scratch.call("verify", "--journal", code=0).out
    assert "nothing to repair" in scratch.call("repair", "main", "--reason", "x", code=2).err
    assert people(scratch) == ["a; b2000-01-01", "c\nd"]


def test_before_it_is_marked_nothing_takes_the_baseline_for_missing(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)

    assert scratch.states() == {"0004_baseline": "pending"}
    assert "no drift" in scratch.call("verify", code=0).out


def test_a_database_that_has_some_of_them_is_told_which_release_to_deploy_first(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate(to="0002_b")
    before = scratch.events()
    squash(scratch)

    refused = scratch.call("migrate", code=2)

    assert "stands for 4 migrations, and this database has 2 of them: main/0003_c is not applied" in refused.err
    assert "deploy the last release that has 0004_d as a file" in refused.err
    assert scratch.events() == before


def test_a_step_back_is_the_later_migration_and_its_routines(scratch: Scratch) -> None:
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT id FROM main.orders;")
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT id, note FROM main.orders;")
    write(scratch, LATER)
    scratch.migrate()

    undone = scratch.rollback()

    assert [undo.id for undo in undone] == ["main/0005_e"]
    assert scratch.states() == {"0004_baseline": "applied", "0005_e": "pending"}
    assert scratch.column("SELECT attname FROM pg_attribute WHERE attrelid = 'main.v'::regclass") == ["id"]


def test_a_way_back_to_the_baseline_leaves_all_that_it_stands_for(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)
    write(scratch, LATER)
    scratch.migrate()

    assert [undo.id for undo in scratch.rollback(to="0004_baseline")] == ["main/0005_e"]


def test_the_way_back_over_the_baseline_is_by_the_stored_texts_and_ends_it(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    old = scratch.root / "old"
    shutil.copytree(scratch.root / "migrations", old)
    squash(scratch)
    scratch.migrate()

    assert [undo.id for undo in scratch.rollback(to="0002_b")] == ["main/0004_d", "main/0003_c"]

    assert scratch.events()[-3:] == [("rolled back", "0004_d"), ("rolled back", "0004_baseline"), ("rolled back", "0003_c")]
    assert scratch.column("SELECT migration_id FROM main._yoyo_migration ORDER BY 1") == ["0001_a", "0002_b"]
    with pytest.raises(ConfigurationError, match="this database has 2 of them"):
        scratch.migrate()
    shutil.rmtree(scratch.root / "migrations")
    shutil.move(old, scratch.root / "migrations")
    scratch.migrate()
    assert set(scratch.states().values()) == {"applied"}


def test_all_the_way_back_and_up_again_runs_the_baseline(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)
    scratch.migrate()

    scratch.rollback(to="0")
    assert scratch.tables() == set()
    scratch.migrate()

    assert scratch.events()[-1] == ("applied", "0004_baseline")


def test_the_release_before_still_runs_on_a_database_that_was_marked(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    old = shutil.copytree(scratch.root / "migrations", scratch.root / "old")
    squash(scratch)
    scratch.migrate()
    shutil.rmtree(scratch.root / "migrations")
    shutil.move(old, scratch.root / "migrations")

    assert "up to date" in scratch.call("migrate", code=0).out
    assert set(scratch.states()) == set(HISTORY)


def test_a_baseline_may_be_squashed_again(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migrate()
    squash(scratch)
    write(scratch, LATER)
    scratch.migrate()
    scratch.call("squash", "main", "--to", "5", code=0)

    scratch.migrate()

    assert names(scratch) == ["0005_baseline.rollback.sql", "0005_baseline.sql"]
    assert scratch.states() == {"0005_baseline": "applied"}
    assert "no drift" in scratch.call("verify", code=0).out
    assert [undo.ends for undo in scratch.rollback(to="0003_c")] == [("main/0005_baseline",), ("main/0004_baseline",)]
    assert scratch.column("SELECT migration_id FROM main._yoyo_migration ORDER BY 1") == ["0001_a", "0002_b", "0003_c"]


def test_templates_become_a_template_that_serves_other_names(scratch: Scratch) -> None:
    scratch.write("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a (t text DEFAULT '{{ '{{' }}x' CHECK (t <> 'main.a'));")
    scratch.write("migrations/main/0001_a.rollback.sql.j2", "DROP TABLE {{ schema }}.a;")
    grant = "CREATE VIEW {{ schema }}.v AS TABLE {{ schema }}.a; GRANT SELECT ON {{ schema }}.v TO {{ roles.app }};"
    scratch.write("migrations/main/0002_b.sql.j2", grant)
    scratch.write("migrations/main/0002_b.rollback.sql.j2", "DROP VIEW {{ schema }}.v;")
    commit(scratch.root)

    scratch.call("squash", "main", "--to", "2", code=0)

    text = (scratch.root / "migrations/main/0002_baseline.sql.j2").read_text()
    assert "GRANT SELECT ON TABLE {{ schema }}.v TO {{ roles.app }};" in text
    assert "'main.a'" in text
    manifest = (scratch.root / "dbkit.toml").read_text()
    scratch.write("dbkit.toml", manifest.replace("[services.main]\n", '[services.main]\nschema = "other"\n'))
    scratch.migrate()
    assert scratch.value("INSERT INTO other.a DEFAULT VALUES RETURNING t") == "{{x"


def test_templates_that_name_the_schema_themselves_become_plain_sql(scratch: Scratch) -> None:
    scratch.write("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a (i integer);")
    scratch.write("migrations/main/0001_a.rollback.sql.j2", "DROP TABLE {{ schema }}.a;")
    scratch.write("migrations/main/0002_b.sql.j2", "CREATE TABLE main.b (i integer);")
    scratch.write("migrations/main/0002_b.rollback.sql.j2", "DROP TABLE main.b;")
    commit(scratch.root)

    done = scratch.call("squash", "main", "--to", "2", code=0)

    assert "it is no template" in done.err
    assert names(scratch) == ["0002_baseline.rollback.sql", "0002_baseline.sql"]


def test_partitions_that_a_call_makes_are_not_frozen(scratch: Scratch) -> None:
    scratch.routine(
        "make_year",
        """
        -- phase: before
        CREATE OR REPLACE FUNCTION main.make_year(p_table text) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE format('CREATE TABLE %s_y%s PARTITION OF %s FOR VALUES IN (%s)',
                p_table, extract(year FROM now()), p_table, extract(year FROM now()));
        END $$;
        """,
    )
    write(
        scratch,
        {
            "0001_a": ("CREATE TABLE main.m (y integer) PARTITION BY LIST (y);", "DROP TABLE main.m;"),
            "0002_b": ("SELECT main.make_year('main.m');", "SELECT 1;"),
        },
    )

    scratch.call("squash", "main", "--to", "2", code=0)

    text = (scratch.root / "migrations/main/0002_baseline.sql").read_text()
    assert text.endswith("SELECT main.make_year('main.m');\n")
    assert "m_y20" not in text
    scratch.migrate()
    assert scratch.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'main.m'::regclass") == 1


@pytest.mark.parametrize(
    ("statement", "header"),
    [("CREATE ROLE somebody;", "-- allow: roles\n"), ("ALTER SYSTEM SET work_mem = '8MB';", "-- transactional: false\n")],
)
def test_what_no_dump_holds_is_refused_with_the_migration_before_it(scratch: Scratch, statement: str, header: str) -> None:
    write(scratch, HISTORY, {"0005_x": (header + statement, "SELECT 1;")})

    refused = scratch.call("squash", "main", "--to", "5", code=2)

    assert "0005_x.sql:2" in refused.err
    assert "squash up to 0004_d" in refused.err
    assert len(names(scratch)) == 10


def test_what_a_baseline_could_not_make_is_named_and_nothing_is_written(scratch: Scratch) -> None:
    scratch.routine("t", "-- phase: before\nCREATE TABLE IF NOT EXISTS main.t (i integer);")
    write(
        scratch,
        HISTORY,
        {"0005_x": ("ALTER TABLE main.t ALTER COLUMN i SET NOT NULL;", "ALTER TABLE main.t ALTER COLUMN i DROP NOT NULL;")},
    )

    refused = scratch.call("squash", "main", "--to", "5", code=2)

    assert "change what a before-phase routine makes: CREATE TABLE main.t ( i integer )" in refused.err
    assert len(names(scratch)) == 10


def test_what_can_not_be_undone_by_dropping_becomes_an_irreversible_baseline(scratch: Scratch) -> None:
    scratch.routine("t", "-- phase: before\nCREATE TABLE IF NOT EXISTS main.t (i integer);")
    write(
        scratch,
        {
            "0001_a": ("CREATE TABLE main.a (i integer);", "DROP TABLE main.a;"),
            "0002_b": ("INSERT INTO main.t VALUES (1);", "DELETE FROM main.t;"),
        },
    )

    done = scratch.call("squash", "main", "--to", "2", code=0)

    assert "irreversible" in done.err
    assert (scratch.root / "migrations/main/0002_baseline.sql").read_text().startswith("-- irreversible: ")
    scratch.migrate()
    assert scratch.value("SELECT i FROM main.t") == 1


def test_a_file_that_no_commit_holds_is_not_removed(scratch: Scratch) -> None:
    write(scratch, HISTORY)
    scratch.migration("0004_d", HISTORY["0004_d"][0] + "\n-- a thought\n", HISTORY["0004_d"][1])

    assert "0004_d.sql is not committed" in scratch.call("squash", "main", "--to", "4", code=2).err
    assert scratch.call("squash", "main", "--to", "4", "--dry-run", code=0).out.count("would go") == 4
    assert len(names(scratch)) == 8


def test_a_first_migration_alone_and_a_file_beside_its_baseline_are_refused(scratch: Scratch) -> None:
    write(scratch, HISTORY)

    assert "nothing to squash" in scratch.call("squash", "main", "--to", "1", code=2).err
    scratch.migration("0005_baseline", "-- squashes: 0001_a\n-- squashes: 0002_b\nSELECT 1;")
    assert "says that it squashes it" in scratch.call("status", code=2).err


def test_the_shops_orders_pass_their_tests_after_a_squash(tmp_path: Path) -> None:
    shop = Path(__file__).resolve().parents[2]
    for name in ("migrations", "schemas", "seeds", "lua", "dbkit.toml"):
        copy = shutil.copy if name == "dbkit.toml" else shutil.copytree
        copy(shop / name, tmp_path / name)
    shutil.copytree(shop / "tests/shop/order", tmp_path / "tests/shop/order")
    commit(tmp_path)
    project = Scratch(tmp_path, None)

    project.call("squash", "order", "--to", "2", code=0)

    assert "0 failed" in project.call("test", "order", code=0).out
    assert "nothing found" in project.call("lint", "migrations/order", code=0).out


def test_a_baseline_that_makes_something_else_is_refused_with_the_difference(scratch: Scratch) -> None:
    """A call that counts the tables: at the end of the baseline it finds more of them than it did between two migrations."""
    scratch.routine(
        "f",
        """
        -- phase: before
        CREATE OR REPLACE FUNCTION main.make_parts(p_table text) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE v_tables integer;
        BEGIN
            SELECT count(*) INTO v_tables FROM pg_class WHERE relnamespace = 'main'::regnamespace AND relkind = 'r' AND relname !~ 'yoyo';
            EXECUTE format('CREATE TABLE %s_p%s PARTITION OF %s FOR VALUES IN (%s)', p_table, v_tables, p_table, v_tables);
        END $$;
        """,
    )
    write(
        scratch,
        {
            "0001_a": ("CREATE TABLE main.m (y integer) PARTITION BY LIST (y); SELECT main.make_parts('main.m');", "DROP TABLE main.m;"),
            "0002_b": ("CREATE TABLE main.b (i integer);", "DROP TABLE main.b;"),
        },
    )

    refused = scratch.call("squash", "main", "--to", "2", code=1)

    assert "partition main.m_p0: only the old way makes it" in refused.err
    assert "partition main.m_p1: only the new way makes it" in refused.err
    assert len(names(scratch)) == 4
