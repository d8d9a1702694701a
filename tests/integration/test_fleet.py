"""Many targets of one service: canary, jobs, failures by name, resume, interrupts; databases, and schemas of one."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import server_settings
from scratch import Outcome, Pool, Scratch, until

CANARY = "c4nary-of-the-fl33t"
GATE = 7


@dataclass
class Fleet:
    """The databases of one service."""

    scratch: Scratch
    pool: Pool
    names: list[str]

    def url(self, name: str) -> str:
        """Return the URL of a database, with a password that the server does not ask for."""
        return f"postgresql://scratch_main_migrator:{CANARY}@/{name}?host={self.pool.server.sockets}"

    def describe(self, settings: str = "canary = 1", names: list[str] | None = None) -> None:
        urls = [self.url(name) for name in names or self.names]
        self.scratch.describe(more=f"[environments.here.services.main]\ntargets = {{ urls = {urls} }}\n{settings}\n")

    def execute(self, name: str, query: str) -> list[tuple[Any, ...]]:
        """Run a statement in one of the databases, as the superuser."""
        with psycopg.connect(self.pool.server.conninfo(name), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def each(self, query: str) -> dict[str, list[tuple[Any, ...]]]:
        """Ask every database, as the superuser."""
        with ThreadPoolExecutor(4) as threads:
            return dict(zip(self.names, threads.map(lambda name: self.execute(name, query), self.names), strict=True))

    def applied(self) -> dict[str, list[str]]:
        """Return what is applied where, oldest first; a name twice if it was applied twice."""
        query = "SELECT split_part(object, '/', 2) FROM dbkit.journal WHERE event = 'applied' ORDER BY id"
        return {name: [row[0] for row in rows] for name, rows in self.each(query).items()}

    def migrate(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run over the fleet and return what JSON says of it."""
        found: dict[str, Any] = self.scratch.call("--format", "json", "migrate", *arguments, code=code).document["services"][0]
        return found


def states(document: dict[str, Any]) -> dict[str, str]:
    """Return each target's state."""
    return {target["target"].partition("@")[2]: target["state"] for target in document["targets"]}


@pytest.fixture
def six(scratch: Scratch, pool: Pool) -> Iterator[Fleet]:
    """Six empty databases."""
    fleet = Fleet(scratch, pool, [pool.take("main") for _ in range(6)])
    for (name,) in {(name,) for name in fleet.names} - set(fleet.execute("postgres", "SELECT datname FROM pg_database")):
        fleet.execute("postgres", f"CREATE DATABASE {name} OWNER scratch_main_owner")
    fleet.describe()
    yield fleet
    for name in fleet.names:
        pool.give_back("main", name)


@pytest.fixture
def two_hundred(tmp_path: Path) -> Iterator[Fleet]:
    """Two hundred copies of a migrated database, on a server of their own: it goes away faster than they do."""
    with throwaway_server(server_settings()) as server:
        scratch = Scratch(tmp_path / "fleet", Pool(server))
        scratch.root.mkdir()
        scratch.describe()
        one_table(scratch)
        scratch.migrate()
        fleet = Fleet(scratch, Pool(server), [f"fleet_{number:03}" for number in range(200)])
        template = scratch.database_name("main")
        with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
            for name in fleet.names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER scratch_main_owner STRATEGY file_copy".encode())
        yield fleet
        scratch.leave()


def one_table(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")


def test_a_release_over_two_hundred_databases(two_hundred: Fleet) -> None:
    fleet, names = two_hundred, two_hundred.names
    poisoned, away = [names[50], names[100], names[150]], "fleet_that_is_down"
    fleet.describe("canary = 2\njobs = 6", [*names[:120], away, *names[120:]])
    for name in poisoned:
        fleet.execute(name, "INSERT INTO main.a VALUES (NULL)")

    # a bad release stops at the canaries
    fleet.scratch.migration("0002_b", "ALTER TABLE main.a ADD x integer; SELECT 1 / 0;", "SELECT 1;")
    found = fleet.migrate(code=1)
    assert found["counts"] == {"failed": 2, "not reached": 199}
    assert [target["target"] for target in found["targets"]][:2] == [f"main@{name}" for name in names[:2]]
    events = {name: rows[0][0] for name, rows in fleet.each("SELECT count(*) FROM dbkit.journal WHERE event = 'failed'").items()}
    assert [name for name in names if events[name]] == names[:2]

    # mended, it goes everywhere but where a row is in its way and where nobody answers
    fleet.scratch.migration("0002_b", "ALTER TABLE main.a ALTER i SET NOT NULL;", "ALTER TABLE main.a ALTER i DROP NOT NULL;")
    told = fleet.scratch.call("migrate", code=1)
    assert re.search(r"applied +197 targets", told.out)
    assert f"failed      3 targets: {', '.join(poisoned)}\n" in told.out
    assert f"unreachable 1 target: {away}\n" in told.out
    assert "main/0002_b failed" in told.err
    assert f"on {', '.join(f'main@{name}' for name in poisoned)}\n" in told.err
    assert told.err.count('column "i" of relation "a" contains null values') == 1
    assert "main: 4 of 201 left; `dbkit migrate main --resume` goes on with them" in told.err
    assert "main: 20 of 201 targets: 20 applied\n" in told.err
    assert "main: 201 of 201 targets: 197 applied, 3 failed, 1 unreachable\n" in told.err
    assert CANARY not in told.out + told.err

    # the row is taken away; --resume asks the four alone, for one that is done takes no connection
    for name in poisoned:
        fleet.execute(name, "DELETE FROM main.a")
    fleet.execute("postgres", f"ALTER DATABASE {names[7]} ALLOW_CONNECTIONS false")
    assert fleet.migrate("--resume", code=3)["counts"] == {"done before": 197, "applied": 3, "unreachable": 1}
    fleet.execute("postgres", f"ALTER DATABASE {names[7]} ALLOW_CONNECTIONS true")

    # a second run finds nothing, and writes nothing
    written = fleet.each("SELECT max(id) FROM dbkit.journal")
    assert fleet.migrate(code=3)["counts"] == {"up to date": 200, "unreachable": 1}
    assert fleet.each("SELECT max(id) FROM dbkit.journal") == written
    assert set(map(tuple, fleet.applied().values())) == {("0001_a", "0002_b")}

    # killed in the middle of the next release, the run after it finishes
    fleet.describe("canary = 2\njobs = 6")
    fleet.scratch.migration("0003_c", "ALTER TABLE main.a ADD c integer; SELECT pg_sleep(0.02);", "ALTER TABLE main.a DROP c;")
    record = fleet.scratch.root / ".dbkit/last-run/here/main"
    child = fleet.scratch.start("migrate")
    until(lambda: 30 < len(record.read_text().splitlines()) < 150)
    child.kill()
    child.wait()
    done = len(record.read_text().splitlines())
    found = fleet.migrate("--resume")
    assert found["counts"]["done before"] == done < 200
    assert set(states(found).values()) <= {"done before", "applied", "up to date"}
    assert set(map(tuple, fleet.applied().values())) == {("0001_a", "0002_b", "0003_c")}


def test_as_many_targets_are_under_way_as_jobs_say(six: Fleet) -> None:
    six.describe("canary = 0")
    six.scratch.migration("0001_a", f"SELECT pg_advisory_xact_lock({GATE});")
    query = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted"
    with ExitStack() as gates:
        for name in six.names:
            gate = gates.enter_context(psycopg.connect(six.pool.server.conninfo(name)))
            gate.execute("SELECT pg_advisory_lock(%s)", [GATE])
        child = six.scratch.start("migrate", "--jobs", "3")
        until(lambda: six.execute("postgres", query)[0][0] >= 3)
        time.sleep(0.5)
        waiting = six.execute("postgres", query)

    assert child.wait(60) == 0
    assert waiting == [(3,)]


def test_no_more_are_begun_after_so_many_failures(six: Fleet) -> None:
    six.describe("canary = 0\njobs = 1")
    six.scratch.migration("0001_a", "SELECT 1 / 0;")

    assert list(states(six.migrate("--max-failures", "2", code=1)).values()) == ["failed"] * 2 + ["not reached"] * 4

    one_table(six.scratch)
    assert list(states(six.migrate("--resume")).values()) == ["applied"] * 6


def test_resume_asks_everybody_again_where_the_files_are_not_those_of_the_last_run(six: Fleet) -> None:
    one_table(six.scratch)
    six.describe(names=[*six.names, "fleet_that_is_down"])
    assert six.migrate(code=3)["counts"] == {"applied": 6, "unreachable": 1}
    six.scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")

    assert six.migrate("--resume", code=3)["counts"] == {"applied": 6, "unreachable": 1}


def test_a_run_up_to_a_migration_does_not_count_as_done_for_one_that_goes_on(six: Fleet) -> None:
    one_table(six.scratch)
    six.scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    six.migrate("--to", "1")

    assert six.migrate("--resume")["counts"] == {"applied": 6}


def test_a_wrong_file_is_found_before_any_target_is_asked(six: Fleet) -> None:
    six.describe(names=["fleet_that_is_down"])
    six.scratch.migration("0001_a", "  ", "SELECT 1;")

    assert "the file is empty" in six.scratch.call("migrate", code=2).err


@pytest.mark.parametrize(("interrupt", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupt_ends_what_is_under_way_and_says_what_was_done(six: Fleet, interrupt: int, code: int) -> None:
    six.describe("canary = 1\njobs = 2")
    one_table(six.scratch)
    six.migrate()
    body = "SELECT pg_sleep(CASE WHEN current_database() = '{}' THEN 0 ELSE 600 END);"
    six.scratch.migration("0002_b", body.format(six.names[0]), "SELECT 1;")
    query = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"

    child = six.scratch.start("--format", "json", "migrate")
    until(lambda: six.execute("postgres", query)[0][0] == 2)
    child.send_signal(interrupt)
    out, err = child.communicate(timeout=60)

    assert child.returncode == code
    document = Outcome(code, out, err).document["services"][0]
    assert list(states(document).values()) == ["applied", *["interrupted"] * 2, *["not reached"] * 3]
    assert "5 of 6 left" in err
    last = six.each("SELECT event FROM dbkit.journal WHERE kind = 'migration' ORDER BY id DESC LIMIT 1")
    assert [rows[0][0] for rows in last.values()] == ["applied", *["interrupted"] * 2, *["applied"] * 3]
    assert six.execute("postgres", query) == [(0,)]

    six.scratch.migration("0002_b", "SELECT pg_sleep(0);", "SELECT 1;")
    assert six.execute(six.names[1], "SELECT count(*) FROM main._yoyo_migration") == [(1,)]


def test_a_run_that_waits_for_another_one_can_be_interrupted(six: Fleet) -> None:
    one_table(six.scratch)
    six.describe(names=six.names[:1])
    with psycopg.connect(six.pool.server.conninfo(six.names[0])) as other:
        other.execute("SELECT pg_advisory_lock(1684171636, 1)")
        child = six.scratch.start("migrate")
        assert child.stderr is not None
        assert "waiting: pid" in child.stderr.readline()
        child.send_signal(signal.SIGTERM)

        assert child.wait(30) == 143


def test_a_target_that_another_run_has_is_locked(six: Fleet) -> None:
    one_table(six.scratch)
    six.describe("canary = 0")
    with psycopg.connect(six.pool.server.conninfo(six.names[3])) as other:
        other.execute("SELECT pg_advisory_lock(1684171636, 1)")

        assert six.migrate("--lock-wait", "0", code=4)["counts"] == {"applied": 5, "locked": 1}


def test_what_is_pending_is_counted_and_nothing_is_written(six: Fleet) -> None:
    one_table(six.scratch)

    found = six.migrate("--check", code=1)
    told = six.scratch.call("migrate", "--dry-run", code=0)

    assert re.search(r"^main +pending +6 targets +0001_a$", told.out, re.MULTILINE)
    assert (found["counts"], found["pending"]) == ({"pending": 6}, ["main/0001_a"])
    assert six.each("SELECT count(*) FROM pg_namespace WHERE nspname IN ('dbkit', 'main')") == {name: [(0,)] for name in six.names}
    assert not (six.scratch.root / ".dbkit/last-run").exists()


def test_status_says_once_what_is_alike_and_names_what_is_not(six: Fleet) -> None:
    one_table(six.scratch)
    six.describe(names=[*six.names, "fleet_that_is_down"])
    six.migrate(code=3)
    odd = f"main@{six.names[2]}"
    six.scratch.call("rollback", odd, code=0)

    told = six.scratch.call("status", code=3)
    found = six.scratch.call("--format", "json", "status", code=3).document["services"][0]

    assert re.search(r"^main \(5\) +up to date +1 +0 ", told.out, re.MULTILINE)
    assert re.search(rf"^{odd} +pending +0 +1 ", told.out, re.MULTILINE)
    assert re.search(rf"^{odd} pending +0001_a +rolled back$", told.out, re.MULTILINE)
    assert re.search(r"^main@fleet_that_is_down unreachable", told.out, re.MULTILINE)
    expected = ["up to date"] * 2 + ["pending"] + ["up to date"] * 3 + ["unreachable"]
    assert [(target["service"], target["state"]) for target in found["targets"]] == [
        (f"main@{name}", state) for name, state in zip([*six.names, "fleet_that_is_down"], expected, strict=True)
    ]
    assert CANARY not in told.out + told.err + str(found)


ONE_AT_A_TIME = (
    ("rollback", "main"),
    ("psql", "main"),
    ("url", "main"),
    ("unlock", "main"),
    ("baseline", "main", "--reason", "x"),
    ("repair", "main", "--reason", "x"),
)


@pytest.mark.parametrize("arguments", ONE_AT_A_TIME, ids=lambda arguments: arguments[0])
def test_a_command_for_one_target_says_which_there_are(six: Fleet, arguments: tuple[str, ...]) -> None:
    told = six.scratch.call(*arguments, code=2).err

    assert "which target of 'main'?" in told
    assert f"6 targets: main@{six.names[0]}, main@{six.names[1]}" in told


def test_one_target_is_chosen_by_its_name(six: Fleet) -> None:
    one_table(six.scratch)
    chosen = f"main@{six.names[4]}"

    assert re.search(rf"^{chosen} +applied +0001_a", six.scratch.call("migrate", chosen, code=0).out)
    assert six.scratch.call("url", chosen, code=0).out == f"{six.url(six.names[4]).replace(CANARY, '***')}\n"
    assert six.scratch.call("health", chosen).out
    assert [rows[0][0] for rows in six.each("SELECT count(*) FROM pg_namespace WHERE nspname = 'dbkit'").values()] == [0, 0, 0, 0, 1, 0]


def test_an_unknown_target_is_answered_with_the_nearest(six: Fleet) -> None:
    told = six.scratch.call("status", f"main@{six.names[3]}x", code=2).err

    assert f"did you mean 'main@{six.names[3]}'?" in told


def test_the_password_is_nowhere(six: Fleet) -> None:
    six.describe(names=[*six.names, "fleet_that_is_down"])
    one_table(six.scratch)
    for arguments in (
        ("-vv", "migrate"),
        ("migrate", "--resume"),
        ("--format", "json", "migrate"),
        ("-vv", "status"),
        ("rollback", "main"),
        ("doctor",),
        ("--format", "json", "doctor"),
        ("url", f"main@{six.names[0]}"),
    ):
        told = six.scratch.call(*arguments)
        assert CANARY not in told.out + told.err
    assert CANARY not in "".join(path.read_text() for path in (six.scratch.root / ".dbkit").rglob("*") if path.is_file())
    assert CANARY not in str(six.each("SELECT j::text FROM dbkit.journal AS j"))


def test_a_notice_that_every_target_gives_is_shown_once(six: Fleet) -> None:
    six.scratch.migration("0001_a", "DO $$ BEGIN RAISE NOTICE 'look here'; END $$;")

    assert six.scratch.call("migrate", code=0).err.count("look here") == 1


def test_what_somebody_changed_on_one_target_is_seen_there_and_made_again(six: Fleet) -> None:
    six.scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")
    six.migrate()
    odd = six.names[3]
    six.describe("jobs = 1")  # so that the odd one could be taken for another
    six.execute(odd, "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 2'")

    found = six.scratch.call("--format", "json", "status", code=0).document["services"][0]["targets"]
    assert [target["service"] for target in found if target["routines_changed"]] == [f"main@{odd}"]
    assert states(six.migrate("--check", "--overwrite", code=1))[odd] == "pending"
    assert six.migrate("--overwrite")["counts"] == {"up to date": 5, "applied": 1}
    assert six.execute(odd, "SELECT main.f()") == [(1,)]


def test_a_query_lists_the_databases(six: Fleet) -> None:
    one_table(six.scratch)
    rows = ", ".join(f"('{six.url(name)}')" for name in six.names[:2])
    six.execute(six.names[5], f"CREATE TABLE shards (dsn text); INSERT INTO shards VALUES {rows}; GRANT SELECT ON shards TO PUBLIC")
    listing = f'{{ query = "SELECT dsn FROM shards ORDER BY dsn", url = "{six.url(six.names[5])}" }}'
    six.scratch.describe(more=f"[environments.here.services.main]\ntargets = {listing}\n")

    assert states(six.migrate()) == dict.fromkeys(sorted(six.names[:2]), "applied")
    six.execute(six.names[5], "DROP TABLE shards")
    told = six.scratch.call("-vv", "migrate", code=1)
    assert "the query for the targets of 'main' failed: relation \"shards\" does not exist" in told.err
    assert CANARY not in told.out + told.err


def test_a_protected_environment_asks_before_the_whole_fleet(six: Fleet) -> None:
    six.scratch.describe(
        environment=f"{six.scratch.environment()}\nprotected = true",
        more=f"[environments.here.services.main]\ntargets = {{ urls = {[six.url(name) for name in six.names]} }}\n",
    )
    one_table(six.scratch)

    assert "is protected" in six.scratch.run("migrate", code=2).err
    assert six.migrate("--yes")["counts"] == {"applied": 6}


# schemas of one database


def tenants(scratch: Scratch, *names: str, targets: str = "") -> None:
    listed = targets or f"{{ schemas = {list(names)} }}"
    scratch.describe(more=f"[environments.here.services.main]\ntargets = {listed}\n")
    scratch.write("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a (i integer DEFAULT 1);\n")
    scratch.write("migrations/main/0001_a.rollback.sql.j2", "DROP TABLE {{ schema }}.a;\n")
    scratch.write(
        "schemas/main/f.sql.j2",
        "CREATE OR REPLACE FUNCTION {{ schema }}.f() RETURNS text LANGUAGE sql AS $$ SELECT '{{ service }} {{ schema }}' $$;\n",
    )


def test_each_schema_has_its_own_tables_and_its_own_part_of_the_journal(scratch: Scratch) -> None:
    tenants(scratch, "red", "green", "blue")

    assert scratch.call("--format", "json", "migrate", code=0).document["services"][0]["counts"] == {"applied": 3}

    assert scratch.column("SELECT red.f() UNION ALL SELECT green.f() UNION ALL SELECT blue.f()") == ["main red", "main green", "main blue"]
    expected = [f"main@{name}/{what}" for name in ("red", "green", "blue") for what in ("0001_a", "f", "run")]
    assert scratch.column("SELECT object FROM dbkit.journal ORDER BY id") == expected
    assert scratch.value("SELECT count(DISTINCT run) FROM dbkit.journal") == 1
    assert scratch.column("SELECT migration_id FROM green._yoyo_migration") == ["0001_a"]
    assert scratch.value("SELECT count(*) FROM pg_roles WHERE rolname ~ 'red|green|blue'") == 0
    assert scratch.call("--format", "json", "migrate", code=0).document["services"][0]["counts"] == {"up to date": 3}


def test_one_schema_goes_back_and_the_others_stay(scratch: Scratch) -> None:
    tenants(scratch, "red", "green")
    scratch.call("migrate", code=0)

    scratch.call("rollback", "main@red", code=0)

    assert scratch.column("SELECT schemaname::text FROM pg_tables WHERE tablename = 'a'") == ["green"]
    assert scratch.call("--format", "json", "verify", "--fingerprint", code=0).document["services"][1]["state"] == "no drift"
    assert scratch.call("verify", "main@green", code=0)


def test_drift_of_one_schema_is_not_the_others(scratch: Scratch) -> None:
    tenants(scratch, "red", "green", "blue")
    scratch.call("migrate", code=0)
    scratch.value("ALTER TABLE green.a ADD x integer")

    found = scratch.call("--format", "json", "verify", "--fingerprint", code=1).document["services"]

    assert [(entry["service"], entry["state"]) for entry in found] == [
        ("main@red", "no drift"),
        ("main@green", "drift"),
        ("main@blue", "no drift"),
    ]


def test_a_query_lists_the_schemas(scratch: Scratch) -> None:
    scratch.value("CREATE TABLE tenants (name text); INSERT INTO tenants VALUES ('red'), ('green'); GRANT SELECT ON tenants TO PUBLIC")
    tenants(scratch, targets='{ schemas = { query = "SELECT name FROM public.tenants" } }')

    found = scratch.call("--format", "json", "migrate", code=0).document["services"][0]

    assert states(found) == {"red": "applied", "green": "applied"}
    scratch.value("INSERT INTO tenants VALUES ('blue')")
    found = scratch.call("--format", "json", "migrate", code=0).document["services"][0]
    assert states(found) == {"red": "up to date", "green": "up to date", "blue": "applied"}


def test_two_runs_over_the_schemas_of_a_database_share_the_work(scratch: Scratch) -> None:
    tenants(scratch, "red", "green", "blue")

    children = [scratch.start("migrate"), scratch.start("migrate")]
    ends = [child.communicate(timeout=60) for child in children]

    assert [child.returncode for child in children] == [0, 0], ends
    assert scratch.value("SELECT count(*) FROM dbkit.journal WHERE event = 'applied'") == 3


def test_a_schema_that_fails_does_not_stop_the_others(scratch: Scratch) -> None:
    tenants(scratch, "red", "green", "blue")
    scratch.call("migrate", code=0)
    scratch.value("INSERT INTO green.a VALUES (NULL)")
    scratch.write("migrations/main/0002_b.sql.j2", "ALTER TABLE {{ schema }}.a ALTER i SET NOT NULL;\n")
    scratch.write("migrations/main/0002_b.rollback.sql.j2", "ALTER TABLE {{ schema }}.a ALTER i DROP NOT NULL;\n")

    found = scratch.call("--format", "json", "migrate", code=1).document["services"][0]

    assert states(found) == {"red": "applied", "green": "failed", "blue": "applied"}
    assert found["targets"][1]["error"]["sqlstate"] == "23502"


def common(scratch: Scratch, word: str) -> None:
    """Let both schemas render a function of a schema that is neither's, on which the tables of both depend."""
    manifest = (scratch.root / "dbkit.toml").read_text(encoding="utf-8")
    scratch.write("dbkit.toml", manifest.replace("shared = []", 'shared = ["common"]'))
    scratch.write("schemas/_shared/common/schema.sql.j2", "-- phase: before\nCREATE SCHEMA IF NOT EXISTS common;\n")
    scratch.write(
        "schemas/_shared/common/tg.sql.j2",
        f"""
        CREATE OR REPLACE FUNCTION common.tg() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE '{word}'; END $$;
        """,
    )
    scratch.write(
        "schemas/main/refuse.sql.j2",
        """
        -- depends: common/tg
        CREATE OR REPLACE TRIGGER refuse BEFORE DELETE ON {{ schema }}.a EXECUTE FUNCTION common.tg();
        """,
    )


def said(scratch: Scratch, schema: str) -> str:
    """Return what the common function says of that schema's table."""
    with pytest.raises(psycopg.errors.RaiseException) as raised:
        scratch.value(f"DELETE FROM {schema}.a")
    return str(raised.value.diag.message_primary)


def test_what_the_schemas_share_stays_with_those_that_stay(scratch: Scratch) -> None:
    tenants(scratch, "red", "green")
    common(scratch, "old")
    scratch.call("migrate", code=0)
    common(scratch, "new")
    scratch.write("migrations/main/0002_b.sql.j2", "CREATE TABLE {{ schema }}.b ();\n")
    scratch.write("migrations/main/0002_b.rollback.sql.j2", "DROP TABLE {{ schema }}.b;\n")
    scratch.call("migrate", code=0)
    assert "no drift" in scratch.call("verify", code=0).out

    scratch.call("rollback", "main@green", code=0)
    assert [said(scratch, "red"), said(scratch, "green")] == ["new", "new"]

    scratch.call("rollback", "main@green", "--to", "0", code=0)
    assert said(scratch, "red") == "new"
    assert "no drift" in scratch.call("verify", "main@red", code=0).out

    scratch.call("rollback", "main@red", "--to", "0", code=0)
    assert scratch.value("SELECT to_regproc('common.tg')") is None


def test_schemas_are_not_spread_where_nobody_spreads_them(scratch: Scratch) -> None:
    tenants(scratch, "red", "green")
    scratch.describe(more='[environments.here.services.main]\ntargets = { schemas = ["red", "green"] }\nscale = "citus"\n')

    told = scratch.call("migrate", code=1)

    assert 'the manifest says scale = "citus", and the extension is not in this database' in told.err
    assert scratch.value("SELECT count(*) FROM pg_namespace WHERE nspname IN ('red', 'green')") == 0
    assert scratch.call("--format", "json", "status", code=0).document["services"][0]["targets"][0]["server"].startswith("PostgreSQL ")
