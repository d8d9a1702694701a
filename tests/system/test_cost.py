"""What a run costs, told without a clock: modules imported, messages sent, memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scratch import SOURCES, Scratch

HEAVY = {"psycopg", "redis", "jinja2", "rich", "yoyo", "sqlfluff", "squawk", "postgast", "google", "sqlparse"}


def at_the_end(scratch: Scratch, question: str, *arguments: str) -> str:
    """Run dbkit in a process of its own and return what an expression says there when it ends."""
    program = (
        "import sys\nfrom dbkit.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        f"print('at the end:', {question})"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=scratch.root,
        env=os.environ | {"PYTHONPATH": str(SOURCES)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.rpartition("at the end:")[2].strip()


def imported(scratch: Scratch, *arguments: str) -> set[str]:
    """Return the top-level modules that a run has when it ends."""
    return set(at_the_end(scratch, "*{name.partition('.')[0] for name in sys.modules}", *arguments).split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("migrate", "--help")])
def test_help_imports_nothing_that_talks_to_a_server_or_reads_sql(scratch: Scratch, arguments: tuple[str, ...]) -> None:
    assert imported(scratch, *arguments) & HEAVY == set()


@pytest.mark.parametrize("command", ["status", "migrate"])
def test_a_run_with_nothing_to_do_imports_the_driver_alone(scratch: Scratch, command: str) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.routine("two", "CREATE OR REPLACE FUNCTION main.two() RETURNS integer LANGUAGE sql RETURN 2;")
    scratch.run("migrate", code=0)

    assert imported(scratch, command) & HEAVY == {"psycopg"}


def test_applying_plain_files_needs_neither_templates_nor_yoyo(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();")

    assert imported(scratch, "migrate") & HEAVY == {"psycopg", "postgast", "google"}


def test_a_small_migration_is_two_messages(scratch: Scratch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What opens its transaction goes with its script, its marks with the COMMIT."""
    import psycopg

    from dbkit.postgres import session as sessions

    trace = tmp_path / "wire"
    real = sessions.execute_as

    def traced(*arguments: object, **options: object) -> psycopg.Connection[tuple[object, ...]]:
        connection: psycopg.Connection[tuple[object, ...]] = real(*arguments, **options)  # type: ignore[arg-type]
        connection.pgconn.trace(os.open(trace, os.O_WRONLY | os.O_CREAT))
        connection.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)
        return connection

    monkeypatch.setattr(sessions, "execute_as", traced)
    for number in range(1, 4):
        scratch.migration(f"000{number}_t", f"CREATE TABLE main.t{number} ();")

    scratch.migrate()

    sent = re.findall(r"(?ms)^F\t\d+\t(.*?)(?=^[FB]\t\d+\t|\Z)", trace.read_text(errors="replace"))
    first = next(index for index, message in enumerate(sent) if "CREATE TABLE main.t1" in message)
    assert [message.partition("\t")[0] for message in sent[first : first + 6]] == ["Query"] * 6
    for number in range(3):
        script, marks = sent[first + 2 * number : first + 2 * number + 2]
        for words in ("BEGIN", f"CREATE TABLE main.t{number + 1}", "RESET ALL", "pg_current_xact_id_if_assigned"):
            assert words in script
        for words in (f"main/000{number + 1}_t", "INSERT INTO dbkit.journal", "_yoyo_migration", "COMMIT"):
            assert words in marks


def test_memory_hardly_grows_with_the_number_of_migrations(scratch: Scratch) -> None:
    def peak() -> int:
        # a process begins with the rusage of its parent, but with a high-water mark of its own
        status = at_the_end(scratch, "open('/proc/self/status').read()", "migrate", "--check")
        return int(status.partition("VmHWM:")[2].split()[0])

    def write(numbers: range) -> None:
        for number in numbers:
            scratch.migration(f"{number:05}_t", f"CREATE TABLE main.t{number} (id bigint PRIMARY KEY);")

    write(range(1, 101))
    few = peak()
    write(range(101, 3001))

    assert peak() / few < 1.2
