"""The runbooks' commands, run in the order in which they stand there, on a database that is in that state."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dbkit.postgres.roles import prepare_cluster
from scratch import PATIENCE, Scratch, process_environment, until

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
BLOCK = re.compile(r"^```(sh|sql|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def sections(name: str) -> dict[str, list[tuple[str, str]]]:
    """Return the fenced blocks of each section of a page: their language and text."""
    parts = re.split(r"(?m)^## (.+)$", (RUNBOOKS / name).read_text(encoding="utf-8"))
    return {title: BLOCK.findall(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)}


@dataclass
class Reader:
    """Somebody who does what a page says, at the database of the service `orders`."""

    scratch: Scratch
    variables: dict[str, str] = field(default_factory=dict)
    seen: str = ""

    def follow(self, page: str, title: str, *, mend: tuple[int, Callable[[], object]] | None = None) -> None:
        """Run the commands of a section, and compare what they print with what stands below them.

        `mend` is what the reader does of their own before the block of that number.
        """
        for number, (language, text) in enumerate(sections(page)[title]):
            if mend and mend[0] == number:
                mend[1]()
            if language == "sh":
                self.seen = "".join(self.shell(line) for line in text.splitlines())
            elif language == "sql":
                self.sql(text)
            else:
                self.compare(text)

    def sees(self, page: str, line: int, printed: str) -> None:
        """Compare a line of the symptoms with what was printed."""
        self.seen = printed
        ((_, text),) = sections(page)["What you see"]
        self.compare(text.splitlines()[line])

    def shell(self, line: str) -> str:
        command, _, comment = line.partition("  #")
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.scratch.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        assert done.returncode == int(comment.replace("exit", "") or 0), (line, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        """A shell of a machine with dbkit and the server's client programs."""
        assert self.scratch.pool
        server = self.scratch.pool.server
        program = self.scratch.root / "bin/dbkit"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbkit "$@"\n')
        program.chmod(0o755)
        path = os.pathsep.join([str(program.parent), str(server.binaries.folder), os.environ["PATH"]])
        name = self.scratch.database_name("orders")
        connection = {"PGHOST": str(server.sockets), "PGUSER": "postgres", "PGDATABASE": name}
        return process_environment(PATH=path, **connection, **self.variables)

    def sql(self, text: str) -> None:
        with self.scratch.connect(service="orders") as connection:
            connection.execute(text.encode())

    def compare(self, text: str) -> None:
        """Each line must have been printed; `…` stands for anything."""
        for line in text.splitlines():
            pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("…"))
            assert re.search(pattern, " ".join(self.seen.split())), (line, self.seen)


@pytest.fixture
def reader(scratch: Scratch) -> Reader:
    """A shop whose service `orders` has one table, with rows in it."""
    assert scratch.pool
    name, sockets = scratch.database_name("orders"), scratch.pool.server.sockets
    scratch.write(
        "dbkit.toml",
        f"""
        [project]
        name = "shop"
        default_environment = "here"
        [services.orders]
        shared = []
        database = "{name}"
        [environments.here]
        url = "postgresql:///{{database}}?host={sockets}&user=shop_{{service}}_migrator"
        [migrate]
        lock_timeout = "1s"
        out_of_order = "allow"
        """,
    )
    prepare_cluster(scratch.pool.server.conninfo("postgres"), scratch.project, ["orders"])
    up = "CREATE TABLE orders.orders (id bigint PRIMARY KEY, number integer);\nINSERT INTO orders.orders VALUES (1, 7), (2, 7);"
    write(scratch, "0001_create_orders", up, "DROP TABLE orders.orders;")
    scratch.routine(
        "total",
        "CREATE OR REPLACE FUNCTION orders.total() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders.orders';",
        service="orders",
    )
    scratch.migrate("orders")
    return Reader(scratch)


def write(scratch: Scratch, name: str, up: str, down: str) -> None:
    scratch.migration(name, up, down, service="orders")


ADD_NOTE = ("0002_add_note", "ALTER TABLE orders.orders ADD COLUMN note text;", "ALTER TABLE orders.orders DROP COLUMN note;")


def test_every_section_with_commands_is_followed_here() -> None:
    followed = set(re.findall(r'follow\("([\w.-]+)", "([^"]+)"', Path(__file__).read_text(encoding="utf-8")))
    there = {
        (path.name, title)
        for path in RUNBOOKS.glob("*.md")
        if path.name != "README.md"
        for title, blocks in sections(path.name).items()
        if any(language != "text" for language, _ in blocks)
    }

    assert followed >= there
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"} == set(re.findall(r"\(([\w-]+\.md)\)", index))


def test_a_migration_that_failed_in_its_transaction(reader: Reader) -> None:
    scratch = reader.scratch
    write(
        scratch,
        "0002_add_total",
        "ALTER TABLE orders.orders ADD COLUMN total bigint NOT NULL;",
        "ALTER TABLE orders.orders DROP COLUMN total;",
    )
    reader.seen = scratch.call("migrate", "orders", code=1).err

    reader.follow("failed-migration.md", "What you see")
    reader.follow("failed-migration.md", "First look")
    text = "ALTER TABLE orders.orders ADD COLUMN total bigint NOT NULL DEFAULT 0;"
    write(scratch, "0002_add_total", text, "ALTER TABLE orders.orders DROP COLUMN total;")
    reader.follow("failed-migration.md", "It ran in a transaction")
    reader.follow("failed-migration.md", "Be sure")
    reader.follow("failed-migration.md", "Go back instead")

    assert scratch.states("orders") == {"0001_create_orders": "applied", "0002_add_total": "pending"}


def test_a_migration_that_failed_outside_of_one(reader: Reader) -> None:
    scratch = reader.scratch
    header = "-- transactional: false\n"
    up = (
        header
        + "ALTER TABLE orders.orders ADD COLUMN note text;\nCREATE UNIQUE INDEX CONCURRENTLY orders_number_key ON orders.orders (number);"
    )
    down = header + "DROP INDEX CONCURRENTLY orders.orders_number_key;\nALTER TABLE orders.orders DROP COLUMN note;"
    write(scratch, "0003_unique_numbers", up, down)
    reader.seen = scratch.call("migrate", "orders", code=1).err

    mended = (3, lambda: reader.sql("UPDATE orders.orders SET number = id"))
    reader.follow("failed-migration.md", "It ran without a transaction", mend=mended)

    assert set(scratch.states("orders").values()) == {"applied"}
    assert scratch.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'orders.orders_number_key'::regclass", service="orders")


BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'dbkit/migrate%' AND cardinality(pg_blocking_pids(pid)) > 0"
OLD = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND xact_start < now() - interval '1100 ms'"
GATE = "SELECT pg_advisory_xact_lock(7);"


def lines_until(child: subprocess.Popen[str], words: str) -> str:
    """Return the line of standard error that has the words."""
    assert child.stderr
    return next(line for line in child.stderr if words in line)


def test_a_run_that_an_idle_transaction_holds_up(reader: Reader) -> None:
    scratch = reader.scratch
    manifest = (scratch.root / "dbkit.toml").read_text().replace('lock_timeout = "1s"', 'lock_timeout = "5s"')
    scratch.write("dbkit.toml", manifest)
    write(scratch, *ADD_NOTE)
    idle = scratch.connect(service="orders")
    idle.execute("BEGIN; SELECT * FROM orders.orders")
    child = scratch.start("migrate", "orders")
    reader.sees("stuck-migration.md", 0, lines_until(child, "in the way"))

    until(lambda: scratch.value(BLOCKED, service="orders"))
    reader.follow("stuck-migration.md", "First look")
    until(lambda: scratch.value(BLOCKED, service="orders"))
    reader.follow("stuck-migration.md", "End what is in the way")

    assert child.wait(PATIENCE) == 0
    reader.follow("stuck-migration.md", "Be sure")
    assert set(scratch.states("orders").values()) == {"applied"}


def test_an_index_that_waits_for_an_old_transaction(reader: Reader) -> None:
    scratch = reader.scratch
    header = "-- transactional: false\n"
    index = "CREATE INDEX CONCURRENTLY orders_number_idx ON orders.orders (number);"
    write(scratch, "0003_index", header + index, header + "DROP INDEX CONCURRENTLY orders.orders_number_idx;")
    with scratch.connect(service="orders") as old:
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT * FROM orders.orders")
        until(lambda: scratch.value(OLD, service="orders"))
        child = scratch.start("migrate", "orders")
        reader.sees("stuck-migration.md", 2, lines_until(child, "it would wait for"))

        until(lambda: scratch.value("SELECT 1 FROM pg_stat_progress_create_index WHERE current_locker_pid > 0", service="orders"))
        reader.follow("stuck-migration.md", "An index is being built")
        old.execute("COMMIT")

    assert child.wait(PATIENCE) == 0


def test_a_run_whose_host_died(reader: Reader) -> None:
    scratch = reader.scratch
    write(scratch, "0002_add_note", f"{ADD_NOTE[1]}\n{GATE}", ADD_NOTE[2])
    with scratch.connect(service="orders") as gate:
        gate.execute("SELECT pg_advisory_lock(7)")
        child = scratch.start("migrate", "orders")
        until(lambda: scratch.value(BLOCKED, service="orders"))
        child.kill()
        gate.execute("SELECT pg_advisory_unlock(7)")

    reader.follow("stuck-migration.md", "The run before has died")


def test_a_statement_of_which_nobody_knows_whether_it_finished(reader: Reader) -> None:
    scratch = reader.scratch
    scratch.migrate("orders")
    fill = f"""
        -- transactional: false
        DO $$
        BEGIN
            UPDATE orders.orders SET number = 1 WHERE id = 1;
            COMMIT;
            {GATE.replace("SELECT", "PERFORM")}
            UPDATE orders.orders SET number = 1 WHERE id = 2;
        END
        $$;
    """
    write(scratch, "0004_fill", fill, "SELECT 1;")
    with scratch.connect(service="orders") as gate:
        gate.execute("SELECT pg_advisory_lock(7)")
        child = scratch.start("migrate", "orders")
        until(lambda: scratch.value(BLOCKED, service="orders"))
        child.kill()
        until(lambda: not scratch.value(BLOCKED, service="orders"))
    reader.seen = scratch.call("migrate", "orders", code=1).err

    reader.follow("stuck-migration.md", "It asks whether a statement has finished")

    assert scratch.column("SELECT number FROM orders.orders", service="orders") == [1, 1]


def test_a_run_that_another_one_waits_for(reader: Reader) -> None:
    scratch = reader.scratch
    write(scratch, "0002_add_note", f"{ADD_NOTE[1]}\n{GATE}", ADD_NOTE[2])
    with scratch.connect(service="orders") as gate:
        gate.execute("SELECT pg_advisory_lock(7)")
        first = scratch.start("migrate", "orders")
        until(lambda: scratch.value(BLOCKED, service="orders"))
        second = scratch.start("migrate", "orders", "--lock-wait", "1")
        reader.sees("stuck-migration.md", 1, lines_until(second, "waiting for another run"))
        assert second.wait(PATIENCE) == 4

        reader.follow("stuck-migration.md", "End the other run")

    assert first.wait(PATIENCE) == 1
    assert scratch.states("orders")["0002_add_note"] != "applied"


BY_HAND = {
    "column": "ALTER TABLE orders.orders ADD COLUMN urgent boolean",
    "function": "CREATE OR REPLACE FUNCTION orders.total() RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
}
TOTAL = "CREATE OR REPLACE FUNCTION orders.total() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM orders.orders';"


@pytest.mark.parametrize("decision", ["keep", "take away"])
def test_a_column_that_was_added_by_hand(reader: Reader, decision: str) -> None:
    for statement in BY_HAND.values():
        reader.sql(statement)
    reader.seen = reader.scratch.call("verify", "orders", "--fingerprint", code=1).out

    reader.follow("edited-by-hand.md", "What you see")
    reader.follow("edited-by-hand.md", "First look")
    reader.sql(TOTAL)
    if decision == "keep":
        reader.follow("edited-by-hand.md", "Keep what was added")
    else:
        reader.follow("edited-by-hand.md", "Take away what was added")
    reader.follow("edited-by-hand.md", "Be sure")


@pytest.mark.parametrize("decision", ["keep", "put back"])
def test_a_function_that_was_changed_by_hand(reader: Reader, decision: str) -> None:
    reader.sql(BY_HAND["function"])

    if decision == "keep":
        reader.follow("edited-by-hand.md", "Keep a function")
    else:
        reader.follow("edited-by-hand.md", "Put a function back")

    assert reader.scratch.value("SELECT orders.total()", service="orders") == (0 if decision == "keep" else 2)


def test_a_file_that_was_edited_after_it_had_been_applied(reader: Reader) -> None:
    scratch = reader.scratch
    write(scratch, "0001_create_orders", "CREATE TABLE orders.orders (id bigint PRIMARY KEY, number bigint);", "DROP TABLE orders.orders;")
    assert scratch.states("orders") == {"0001_create_orders": "changed"}

    reader.follow("edited-by-hand.md", "Accept an edited file")

    assert scratch.states("orders") == {"0001_create_orders": "applied"}
    assert "number" in scratch.call("verify", "orders", code=1).out


def test_a_database_that_came_out_of_a_backup(reader: Reader) -> None:
    scratch = reader.scratch
    reader.follow("restore-and-catch-up.md", "Before the day comes")
    write(scratch, *ADD_NOTE)
    scratch.routine("total", TOTAL.replace("orders.orders'", "orders.orders WHERE note IS NULL'"), service="orders")
    head = re.search(r"journal head (\w+)", scratch.run("migrate", "orders", code=0).err)
    assert head
    reader.variables["HEAD"] = head[1]

    reader.follow("restore-and-catch-up.md", "First look")
    reader.follow("restore-and-catch-up.md", "Is it whole")
    reader.follow("restore-and-catch-up.md", "Catch up")
    reader.follow("restore-and-catch-up.md", "Be sure")

    assert scratch.value("SELECT orders.total()", service="orders") == 2


def test_a_database_that_came_without_its_journal(reader: Reader) -> None:
    reader.shell('pg_dump --format=custom --create --schema=orders --file=orders.dump "$PGDATABASE"')
    reader.shell("pg_restore --clean --create --if-exists --exit-on-error --dbname=postgres orders.dump")
    write(reader.scratch, *ADD_NOTE)

    reader.follow("restore-and-catch-up.md", "It came without its journal")

    assert set(reader.scratch.states("orders").values()) == {"applied"}
