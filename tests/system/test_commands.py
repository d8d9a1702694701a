"""The program as people and pipelines use it: exit codes, what is said, what is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import psycopg
import pytest

from dbkit import cli
from dbkit.postgres import lock
from scratch import SOURCES, Outcome, Scratch, process_environment

ROOT = Path(__file__).parents[2]
NAMES = cli.program.list_commands(click.Context(cli.program))


@pytest.fixture
def small(scratch: Scratch) -> Scratch:
    """One migration, one routine, nothing applied."""
    scratch.migration("0001_create_notes", "CREATE TABLE main.notes (body text);", "DROP TABLE main.notes;")
    scratch.routine(
        "count_notes", "CREATE OR REPLACE FUNCTION main.count_notes() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM main.notes; END;"
    )
    return scratch


def test_a_first_run_a_second_and_the_way_back(small: Scratch) -> None:
    first = small.run("migrate", code=0)
    assert re.search(r"^main +applied +0001_create_notes +\d+\.\d\d s$", first.out, re.MULTILINE)
    assert re.search(r"^main +deployed +1 routine ", first.out, re.MULTILINE)

    second = small.run("migrate", code=0)
    assert re.fullmatch(r"main +up to date +1 migration, 1 routine\n", second.out)

    assert re.search(r"^main +up to date +1 +0 +1 ", small.run("status", code=0).out, re.MULTILINE)

    back = small.run("rollback", "main", code=0)
    assert re.search(r"^main +rolled back +0001_create_notes ", back.out, re.MULTILINE)
    assert small.tables() == set()

    nothing = small.call("rollback", "main", code=0)
    assert "nothing to undo" in nothing.out


def test_check_finds_pending_work_and_writes_nothing(small: Scratch) -> None:
    found = small.call("migrate", "--check", code=1)

    assert "0001_create_notes" in found.out
    assert small.value("SELECT to_regclass('dbkit.journal')") is None

    small.migrate()

    assert small.call("migrate", "--check").code == 0


@pytest.mark.parametrize("command", [("migrate", "--dry-run"), ("migrate", "--check"), ("status",), ("render",), ("doctor",)])
def test_what_only_looks_writes_nothing(small: Scratch, command: tuple[str, ...]) -> None:
    before = small.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")

    small.call(*command)

    assert small.value("SELECT pg_snapshot_xmax(pg_current_snapshot())::text") == before
    assert small.column("SELECT nspname FROM pg_namespace WHERE nspname IN ('main', 'dbkit')") == []


def test_a_dry_rollback_shows_the_sql_and_undoes_nothing(small: Scratch) -> None:
    small.migrate()
    before = small.events()

    shown = small.call("rollback", "main", "--dry-run", code=0)

    assert "DROP TABLE main.notes;" in shown.out
    assert small.events() == before


def test_services_may_be_named(scratch: Scratch) -> None:
    scratch.describe("main", "other")
    for service in ("main", "other"):
        scratch.migration("0001_a", f"CREATE TABLE {service}.a ();", service=service)

    scratch.call("migrate", "other", code=0)

    assert scratch.tables("main") == set()
    assert scratch.tables("other") == {"a"}


def test_the_first_service_that_fails_ends_the_run_and_keeps_what_was_done(scratch: Scratch) -> None:
    scratch.describe("main", "other")
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0001_a", "SELECT 1 / 0;", service="other")

    failed = scratch.run("migrate", code=1)

    assert "applied     0001_a" in failed.out
    assert "SQLSTATE 22012" in failed.err
    assert scratch.tables("main") == {"a"}


USAGE = [
    (("migrate", "mian"), "did you mean 'main'?"),
    (("status", "mian"), "did you mean 'main'?"),
    (("render", "mian"), "did you mean 'main'?"),
    (("url", "mian"), "did you mean 'main'?"),
    (("psql", "mian"), "did you mean 'main'?"),
    (("test", "mian"), "did you mean 'main'?"),
    (("--env", "hre", "status"), "did you mean 'here'?"),
    (("migrat",), "did you mean 'migrate'?"),
    (("migrate", "--dryrun"), "--dry-run"),
    (("migrate", "--lock-wait", "soon"), "soon"),
    (("migrate", "--url", "postgresql://x/y", "main", "other"), "other"),
    (("rollback",), "SERVICE"),
    (("rollback", "main", "--to", "1", "--steps", "1"), "--steps"),
    (("rollback", "main", "--steps", "0"), "0"),
    (("--format", "yaml", "status"), "yaml"),
    (("redis-cli", "main"), "dbkit psql main"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE)
def test_a_usage_error_names_what_would_be_right(scratch: Scratch, arguments: tuple[str, ...], said: str) -> None:
    outcome = scratch.call(*arguments, code=2)

    assert said in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def test_without_a_project_the_way_to_one_is_named(scratch: Scratch) -> None:
    outcome = scratch.call("status", cwd=Path("/"), code=2)

    assert "dbkit init" in outcome.err


def test_a_project_may_be_named_from_anywhere(small: Scratch, tmp_path: Path) -> None:
    outcome = small.call("--project", str(small.root), "migrate", cwd=tmp_path, code=0)

    assert "0001_create_notes" in outcome.out


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://nobody@127.0.0.1:1/x",
        "postgresql:///x?host=/nowhere",
        "host=/nowhere dbname=x",
        "postgresql://h:port/x",
        "http://h/x",
        "nonsense",
    ],
)
def test_a_server_that_can_not_be_reached_ends_with_3(scratch: Scratch, url: str) -> None:
    outcome = scratch.call("status", "main", "--url", url, code=3)

    assert outcome.err.startswith("error: ")
    assert "  hint: " in outcome.err
    assert "Traceback" not in outcome.err


def test_a_database_that_is_not_there_ends_with_3_and_says_what_to_do(scratch: Scratch) -> None:
    assert scratch.pool
    outcome = scratch.run("migrate", "main", "--url", scratch.pool.server.conninfo("no_such_database"), code=3)

    assert "create the database" in outcome.err


def test_a_broken_template_ends_with_2_at_its_line(small: Scratch) -> None:
    small.write("migrations/main/0002_b.sql.j2", "SELECT 1;\nSELECT {{ nothing }};\n")

    outcome = small.call("migrate", code=2)

    assert "  at migrations/main/0002_b.sql.j2:2\n" in outcome.err
    assert small.tables() == set()


def test_a_failing_migration_ends_with_1_and_says_everything(small: Scratch) -> None:
    small.migration("0002_b", "SELECT 1;\n\nSELECT nothing;\n")

    outcome = small.run("migrate", code=1)

    assert outcome.err.splitlines() == [
        'error: main/0002_b failed in statement 2 of 2: column "nothing" does not exist',
        "  at migrations/main/0002_b.sql:3  SQLSTATE 42703",
        "      1 | SELECT 1;",
        "      2 |",
        "    > 3 | SELECT nothing;",
        "      4 |",
        "  hint: nothing of it was applied: mend the file and run `dbkit migrate` again",
    ]
    assert "applied     0001_create_notes" in outcome.out


@pytest.mark.parametrize("key", [lock.RUN, lock.EXECUTE])
@pytest.mark.parametrize("command", [("migrate",), ("rollback", "main")])
def test_a_locked_database_ends_with_4_and_names_the_holder(small: Scratch, key: int, command: tuple[str, ...]) -> None:
    assert small.pool
    small.migrate()
    small.migration("0002_b", "CREATE TABLE main.b ();")
    with psycopg.connect(small.pool.server.conninfo(small.database_name("main")), application_name="a colleague") as holder:
        holder.execute("SELECT pg_advisory_lock(%s, %s)", [lock.SPACE, key])

        outcome = small.call(*command, "--lock-wait", "0.1", code=4)

        assert f"pid {holder.info.backend_pid} (a colleague, postgres" in outcome.err
        assert "waiting for another run" in outcome.err
        assert "--lock-wait" in outcome.err
    assert small.tables() == {"notes"}


def test_a_run_with_nothing_to_do_needs_no_lock(small: Scratch) -> None:
    small.migrate()
    with small.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(%s, 1), pg_advisory_lock(%s, 2)", [lock.SPACE, lock.SPACE])

        assert small.call("migrate", "--lock-wait", "0", code=0).err == ""


@pytest.mark.parametrize("command", [("migrate",), ("rollback", "main"), ("seed",), ("vacuum",), ("partitions",)])
def test_a_protected_environment_refuses_where_nobody_can_be_asked(small: Scratch, command: tuple[str, ...]) -> None:
    small.describe(environment=f"{small.environment()}\nprotected = true")

    outcome = small.call(*command, code=2)

    assert "'here' is protected" in outcome.err
    assert small.tables() == set()


def test_a_protected_environment_takes_a_yes(small: Scratch) -> None:
    small.describe(environment=f"{small.environment()}\nprotected = true")

    small.call("migrate", "--dry-run", code=0)
    small.call("migrate", "--yes", code=0)
    assert small.tables() == {"notes"}

    small.call("rollback", "main", "--yes", code=0)
    assert small.tables() == set()


def test_a_protected_environment_takes_no_example_data_even_so(small: Scratch) -> None:
    small.describe(environment=f"{small.environment()}\nprotected = true")

    assert small.call("seed", "--yes").code == 2
    assert small.call("seed").code == 2


def test_seeds_are_put_in_as_the_owner_and_a_failing_one_is_named(small: Scratch) -> None:
    small.write("seeds/main/01_notes.sql", "INSERT INTO main.notes SELECT 'a' WHERE NOT EXISTS (SELECT FROM main.notes);")

    assert "dbkit migrate main" in small.call("seed", code=1).err
    small.migrate()
    for _ in range(2):
        assert "seeded      1 file" in small.call("seed", code=0).out
    assert small.column("SELECT body FROM main.notes") == ["a"]

    small.write("seeds/main/02_more.sql", "INSERT INTO main.notes VALUES ('b');\nINSERT INTO main.note VALUES ('c');")
    outcome = small.call("seed", code=1)

    assert "  at seeds/main/02_more.sql:2  SQLSTATE 42P01" in outcome.err
    assert small.column("SELECT body FROM main.notes") == ["a"]


def test_render_prints_what_would_be_sent(small: Scratch) -> None:
    small.write("migrations/main/0002_b.sql.j2", "{# hidden #}CREATE TABLE {{ schema }}.b ();\n")

    assert "CREATE TABLE main.b ();" in small.call("render", code=0).out

    written = small.call("render", "--out", "out", code=0)
    assert "4 files" in written.out
    assert sorted(str(path.relative_to(small.root / "out")) for path in (small.root / "out").rglob("*.sql")) == [
        "main/0001_create_notes.rollback.sql",
        "main/0001_create_notes.sql",
        "main/0002_b.sql",
        "main/routines/count_notes.sql",
    ]


def test_url_hides_the_password_unless_asked(scratch: Scratch) -> None:
    scratch.describe(environment='url = "postgresql://u:s3cret@h/{database}"')

    assert "s3cret" not in scratch.call("url", "main", code=0).out
    assert scratch.call("url", "main", "--show-password", code=0).out == f"postgresql://u:s3cret@h/{scratch.database_name('main')}\n"


def test_doctor_says_what_is_ready(small: Scratch) -> None:
    found = small.call("doctor")

    assert found.code == 0
    assert "PostgreSQL" in found.out
    assert "scratch_main_migrator" in found.out


def test_doctor_ends_with_3_where_a_target_is_out_of_reach(scratch: Scratch) -> None:
    scratch.describe(environment='url = "postgresql:///x?host=/nowhere"')

    found = scratch.call("doctor", code=3)

    assert "unreachable" in found.out
    assert "Traceback" not in found.err


def test_health_needs_no_project(scratch: Scratch, tmp_path: Path) -> None:
    assert scratch.pool

    found = scratch.run("--format", "json", "health", "--url", scratch.pool.server.conninfo("postgres"), cwd=tmp_path)

    assert found.code in {0, 1}
    assert len(found.document["findings"]) > 20


def test_health_for_nagios_is_one_line_and_its_own_code(scratch: Scratch) -> None:
    found = scratch.call("health", "main", "--nagios")
    assert re.fullmatch(r"DBKIT (OK|WARNING|CRITICAL|UNKNOWN) - .*\n", found.out)
    assert found.code == ["OK", "WARNING", "CRITICAL", "UNKNOWN"].index(found.out.split()[1])

    gone = scratch.run("health", "main", "--nagios", "--url", "postgresql:///x?host=/nowhere", code=2)
    assert gone.out.startswith("DBKIT CRITICAL - can't reach")


def test_health_asks_as_whoever_the_url_says_and_what_is_hidden_is_unknown(scratch: Scratch) -> None:
    assert scratch.pool
    url = scratch.pool.server.conninfo(scratch.database_name("main"), "scratch_main_app")

    found = scratch.call("--format", "json", "health", "--url", url).document["findings"]

    assert "ok" in {finding["status"] for finding in found}
    assert not [f for f in found if f["status"] == "ok" and "permission denied" in f["detail"]]


def test_piped_output_is_plain_and_never_wrapped(small: Scratch) -> None:
    small.migration(f"0002_{'long' * 40}", "SELECT 1;")

    outcome = small.run("migrate", COLUMNS="40")

    assert "\x1b" not in outcome.out + outcome.err
    assert f"0002_{'long' * 40}" in outcome.out


def in_a_terminal(scratch: Scratch, *arguments: str, answer: str = "", **environment: str) -> Outcome:
    """Run dbkit with a terminal on all three streams."""
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "dbkit", *arguments],
        cwd=scratch.root,
        env=process_environment(TERM="xterm-256color", **environment),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    if answer:
        os.write(ours, answer.encode())
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # nobody has the other end any more
            break
        if not piece:
            break
        seen += piece
    os.close(ours)
    return Outcome(child.wait(), seen.decode(), "")


def test_a_terminal_gets_colours_unless_no_color_is_set(small: Scratch) -> None:
    assert "\x1b[32m" in in_a_terminal(small, "migrate").out
    assert "\x1b[3" not in in_a_terminal(small, "status", NO_COLOR="1").out


@pytest.mark.parametrize(("answer", "tables"), [("y\n", {"notes"}), ("n\n", set())])
def test_a_protected_environment_asks_at_a_terminal(small: Scratch, answer: str, tables: set[str]) -> None:
    small.describe(environment=f"{small.environment()}\nprotected = true")

    outcome = in_a_terminal(small, "migrate", answer=answer)

    assert "apply what is pending in 'here'?" in outcome.out
    assert small.tables() == tables
    assert (outcome.code == 0) == bool(tables)


def test_quiet_says_only_what_went_wrong(small: Scratch) -> None:
    done = small.call("-q", "migrate", code=0)
    assert done.out + done.err == ""

    small.migration("0002_b", "SELECT 1 / 0;")
    failed = small.call("-q", "migrate", code=1)
    assert failed.out == ""
    assert "division by zero" in failed.err


def test_a_traceback_is_shown_when_asked(small: Scratch) -> None:
    small.migration("0002_b", "SELECT 1 / 0;")

    assert "Traceback" not in small.call("-v", "migrate", code=1).err
    assert "Traceback" in small.call("-vv", "migrate", code=1).err


def test_a_pipe_that_closes_early_is_no_crash(small: Scratch) -> None:
    for number in range(2, 60):
        small.migration(f"{number:04}_x", f"-- {'long' * 500}\nSELECT 1;")
    command = f"{sys.executable} -m dbkit render | head -n 1"

    done = subprocess.run(["sh", "-c", command], cwd=small.root, env=process_environment(), capture_output=True, text=True)

    assert done.stdout.startswith("-- main/")
    assert done.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    context = click.Context(cli.program, info_name="dbkit")
    command = cli.program.get_command(context, name)
    assert command is not None

    text = command.get_help(click.Context(command, info_name=name, parent=context))

    body = text.split("\n\n")[1]
    assert re.match(r" +[A-Z].*\.", body, re.DOTALL), "it opens with a sentence"
    assert f"dbkit {name}" in text.partition("Example:")[2] or "dbkit" in text.partition("Example:")[2], "it shows an example"
    assert "Exit codes:" in text


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is_for(name: str) -> None:
    command = cli.program.get_command(click.Context(cli.program), name)
    assert command is not None

    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []


def test_help_is_had_without_a_project(scratch: Scratch, tmp_path: Path) -> None:
    assert "Exit codes" in scratch.run("--help", cwd=tmp_path, code=0).out
    assert "Example" in scratch.call("migrate", "--help", cwd=tmp_path, code=0).out
    assert scratch.call("--version", cwd=tmp_path, code=0).out.startswith("dbkit, version ")


def test_cli_py_of_a_checkout_is_the_same_program(scratch: Scratch) -> None:
    sources = {str(SOURCES), str(ROOT / "src")}
    kept = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder not in sources]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(kept)}
    done = subprocess.run(
        [sys.executable, ROOT / "cli.py", "status", "mian"], cwd=scratch.root, env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (2, scratch.run("status", "mian").err)
