"""Files above 8 MB: sent in blocks within one transaction, journalled by length and hash."""

from __future__ import annotations

import subprocess
import sys

import psycopg
import pytest

from dbkit.errors import ConfigurationError, DbkitError
from dbkit.postgres.lock import CLUSTER, SPACE
from dbkit.source.checksum import text_hash
from dbkit.source.script import LARGE
from scratch import PATIENCE, Scratch, process_environment, until

TABLE = "CREATE TABLE main.t (id bigint CONSTRAINT t_pkey PRIMARY KEY, note text);\n"
ROWS = 1000  # an INSERT


def inserts(size: int, rows: int = ROWS) -> list[str]:
    """Return INSERTs of so many bytes; each takes rows + 1 lines."""
    found, n, written = [], 0, 0
    while written < size:
        values = ",\n".join(f"({i}, 'a note; it''s number {i} of these')" for i in range(n, n + rows))
        found.append(f"INSERT INTO main.t VALUES\n{values};\n")
        n, written = n + rows, written + len(found[-1])
    return found


@pytest.fixture
def large() -> list[str]:
    """The statements of a script above the limit."""
    return [TABLE, *inserts(LARGE), "CREATE INDEX t_note_idx ON main.t (note);\n"]


def failure(scratch: Scratch) -> DbkitError:
    with pytest.raises(DbkitError) as caught:
        scratch.migrate()
    return caught.value


def place(scratch: Scratch, line: int) -> str:
    return f"{scratch.root}/migrations/main/0001_a.sql:{line}"


def test_it_is_applied_whole_and_the_journal_keeps_length_and_hash(scratch: Scratch, large: list[str]) -> None:
    text = "".join(large)
    path = scratch.migration("0001_a", text, "DROP TABLE main.t;")

    scratch.migrate()

    assert scratch.value("SELECT count(*) FROM main.t") == (len(large) - 2) * ROWS
    with scratch.connect() as connection:
        kept = connection.execute("SELECT rendered, rollback, text_hash, detail FROM dbkit.journal WHERE event = 'applied'").fetchone()
    assert kept == (None, "DROP TABLE main.t;", text_hash(text), {"stored": "no", "length": path.stat().st_size})
    assert scratch.states() == {"0001_a": "applied"}
    assert scratch.migrate().is_empty
    scratch.rollback()
    assert scratch.tables() == set()


def test_an_edit_of_form_passes_and_one_of_substance_stops(scratch: Scratch, large: list[str]) -> None:
    scratch.migration("0001_a", "".join(large))
    scratch.migrate()

    scratch.migration("0001_a", "-- a comment\n" + "".join(large).replace("INSERT INTO", "insert  into"))
    assert scratch.migrate().cosmetic == ("main/0001_a",)
    scratch.migration("0001_a", "".join(large).replace("number 77 of", "number 78 of"))
    assert "was edited after it had been applied" in failure(scratch).message


@pytest.mark.parametrize(
    ("statement", "offset", "sqlstate"),
    [
        ("INSERT INTO main.t VALUES\n(0, 'twice');\n", 0, "23505"),
        ("INSERT INTO main.t VALUES\n(-1, nothing);\n", 1, "42703"),
        ("INSERT INTO main.t VALEUS (-1);\n", 0, "42601"),
        ("UPDATE main.t SET note = note, id = 1 / (id - id) WHERE id = 7;\n", 0, "22012"),
        ("CREATE TABLE\nmain.t ();\n", 0, "42P07"),
    ],
)
def test_an_error_of_the_server_names_the_line_and_nothing_stays(
    scratch: Scratch, large: list[str], statement: str, offset: int, sqlstate: str
) -> None:
    large.insert(-3, statement)
    scratch.migration("0001_a", "".join(large))

    error = failure(scratch)

    line = "".join(large[: len(large) - 4]).count("\n") + 1
    assert (error.where, error.sqlstate) == (place(scratch, line + offset), sqlstate)
    assert f"> {line + offset} | {statement.splitlines()[offset]}" in (error.excerpt or "")
    assert sqlstate == "42601" or f"in statement {len(large) - 3}:" in error.message
    assert scratch.tables() == set()
    assert scratch.states() == {"0001_a": "failed"}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("COMMIT;\n", "COMMIT in a migration"),
        ("VACUUM main.t;\n", "VACUUM can't run inside a transaction"),
        ("CREATE INDEX CONCURRENTLY t_id_idx ON main.t (id);\n", "CONCURRENTLY can't run inside"),
        ("\\echo here\n", r"psql's command \\echo"),
        ("DROP SCHEMA main;\n", "owns the service's schema"),
        ("DO $$ BEGIN COMMIT; END $$;\n", "COMMIT inside a DO block"),
        ("CREATE TABEL main.u ();\n", "syntax error"),
        ("-- transactional: false\n", "stands below the first statement"),
        ("SELECT $$a;\n", r"unterminated dollar-quoted string \$\$"),
        ("SELECT 1 /* ;\n", "unterminated comment"),
    ],
)
def test_what_no_migration_may_hold_is_found_before_anything_runs(scratch: Scratch, large: list[str], statement: str, said: str) -> None:
    large.insert(-3, statement)
    scratch.migration("0001_a", "".join(large))

    with pytest.raises(ConfigurationError, match=said) as caught:
        scratch.migrate()

    assert caught.value.where == place(scratch, "".join(large[: len(large) - 4]).count("\n") + 1)
    assert scratch.value("SELECT to_regnamespace('dbkit') IS NULL AND to_regnamespace('main') IS NULL")


@pytest.mark.parametrize(("data", "said"), [(b"\xff", "not UTF-8: byte 0xff"), (b"\x00", "NUL byte")])
def test_bytes_that_are_no_text_are_named_with_their_line(scratch: Scratch, large: list[str], data: bytes, said: str) -> None:
    text = "".join(large).encode()
    scratch.migration("0001_a", "SELECT 1;").write_bytes(text[:-100] + data + text[-100:])

    error = failure(scratch)

    assert said in error.message
    assert error.where == place(scratch, text[:-100].count(b"\n") + 1)


def test_windows_line_ends_and_a_byte_order_mark_are_accepted(scratch: Scratch, large: list[str]) -> None:
    text = "".join(large).replace("\n", "\r\n")
    scratch.migration("0001_a", "SELECT 1;").write_bytes(b"\xef\xbb\xbf" + text.encode())
    scratch.migrate()
    assert scratch.value("SELECT count(*) FROM main.t WHERE note LIKE E'%%\\r%%'") == 0

    scratch.migration("0001_a", "SELECT 1;").write_text("".join(large))
    assert scratch.migrate().cosmetic == ()


def test_data_of_a_copy_is_streamed_with_errors_at_its_line(scratch: Scratch) -> None:
    rows = [f"{n}\ta note; it's number {n} of these\n" for n in range(LARGE // 30)]
    script = f"{TABLE}COPY main.t FROM stdin;\n{{}}\\.\nCREATE INDEX t_note_idx ON main.t (note);\n"
    assert len(script) + len("".join(rows)) > LARGE
    rows[-5] = "x\ty\n"
    scratch.migration("0001_a", script.format("".join(rows)))

    error = failure(scratch)

    assert (error.where, error.sqlstate) == (place(scratch, len(rows) - 5 + 3), "22P02")
    assert scratch.tables() == set()
    rows[-5] = "-1\ty\n"
    scratch.migration("0001_a", script.format("".join(rows)))
    scratch.migrate()
    assert scratch.value("SELECT count(*) FROM main.t") == len(rows)


def test_a_large_rollback_comes_from_the_file_whose_hash_must_match(scratch: Scratch, large: list[str]) -> None:
    scratch.migration("0001_a", TABLE, "".join(inserts(LARGE)) + "DROP TABLE main.t;")
    scratch.migrate()

    scratch.migration("0001_a", TABLE, "DROP TABLE main.t;")
    with pytest.raises(ConfigurationError, match="too large to be stored, and its file is not the one of then") as caught:
        scratch.rollback()
    assert "from version control" in str(caught.value.hint)
    (scratch.root / "migrations/main/0001_a.rollback.sql").unlink()
    with pytest.raises(ConfigurationError, match="its file is not there"):
        scratch.rollback()
    assert scratch.tables() == {"t"}

    scratch.migration("0001_a", TABLE, "".join(inserts(LARGE)) + "DROP TABLE main.t;")
    scratch.rollback()
    assert scratch.tables() == set()


@pytest.mark.parametrize("size", [0, LARGE])
def test_a_rollback_that_changes_roles_waits_for_whoever_else_does(scratch: Scratch, size: int) -> None:
    assert scratch.pool
    scratch.value("ALTER ROLE scratch_main_owner CREATEROLE")
    try:
        rows = "".join(inserts(size))
        scratch.migration("0001_a", f"-- allow: roles\n{TABLE}CREATE ROLE scratch_passer;", f"{rows}DROP ROLE scratch_passer;")
        scratch.migrate()
        with psycopg.connect(scratch.pool.server.conninfo("postgres"), autocommit=True) as other:
            other.execute("SELECT pg_advisory_lock(%s, %s)", [SPACE, CLUSTER])
            child = scratch.start("rollback", "main")
            waiting = f"SELECT count(*) FROM pg_locks WHERE (classid, objid) = ({SPACE}, {CLUSTER}) AND NOT granted"
            until(lambda: child.poll() is not None or scratch.value(waiting))
            assert (child.poll(), scratch.value("SELECT count(*) FROM pg_roles WHERE rolname = 'scratch_passer'")) == (None, 1)
        assert child.wait(PATIENCE) == 0
        assert scratch.value("SELECT count(*) FROM pg_roles WHERE rolname = 'scratch_passer'") == 0
    finally:
        scratch.value("DROP ROLE IF EXISTS scratch_passer")
        scratch.value("ALTER ROLE scratch_main_owner NOCREATEROLE")


@pytest.mark.parametrize("header", ["-- transactional: false", "-- backfill: key=id"])
def test_what_is_not_one_transaction_is_refused(scratch: Scratch, large: list[str], header: str) -> None:
    scratch.migration("0001_a", f"{header}\n" + "".join(large))

    with pytest.raises(ConfigurationError, match="a file above 8 MB runs in one transaction only"):
        scratch.migrate()


def test_a_large_template_knows_its_lines(scratch: Scratch) -> None:
    scratch.write("migrations/main/0001_a.rollback.sql", "SELECT 1;")
    values = "({{ n }}, 'a note; it''s number {{ n }} of these and more')"
    loop = f"{{% for n in range(100000) %}}\nINSERT INTO {{{{ schema }}}}.t VALUES {values};\n{{% endfor %}}\n"
    scratch.write("migrations/main/0001_a.sql.j2", f"CREATE TABLE {{{{ schema }}}}.t (id int, note text);\n{loop}SELECT 1 / 0;\n")

    error = failure(scratch)

    assert (error.where, error.sqlstate) == (f"{scratch.root}/migrations/main/0001_a.sql.j2:5", "22012")


def test_a_routine_in_the_way_of_a_large_file_is_dropped_and_made_again(scratch: Scratch, large: list[str]) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.u (a int, b int);")
    scratch.routine("v", "CREATE OR REPLACE VIEW main.v AS SELECT u.a FROM main.u AS u;")
    scratch.migrate()
    scratch.migration("0002_b", "".join(large) + "ALTER TABLE main.u ALTER COLUMN a TYPE bigint;")

    scratch.migrate()

    assert scratch.tables() == {"t", "u", "v"}


def test_a_file_that_changes_while_it_is_sent_is_rolled_back(scratch: Scratch, large: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dbkit.postgres import script

    path = scratch.migration("0001_a", "".join(large))
    sent = script.send_blocks

    def edit_first(connection: object, blocks: object) -> object:
        path.write_text("".join(large).replace("number 5 of", "number 6 of"))
        return sent(connection, blocks)  # type: ignore[arg-type]

    monkeypatch.setattr(script, "send_blocks", edit_first)

    assert "changed while it was read" in failure(scratch).message
    assert scratch.tables() == set()


def test_the_size_of_a_file_does_not_show_in_memory(scratch: Scratch) -> None:
    peaks = []
    for number, size in enumerate((0, 48_000_000), 1):
        scratch.migration(f"000{number}_a", (TABLE if number == 1 else "") + "".join(inserts(size)))
        peaks.append(peak_of_migrate(scratch))

    assert scratch.value("SELECT count(*) FROM main.t") > 0
    assert peaks[1] - peaks[0] < 30_000  # kB: of a file of 48 MB less than 30


def peak_of_migrate(scratch: Scratch) -> int:
    """Run dbkit migrate as a process; return its peak memory in kB."""
    code = (
        "from dbkit import cli\n"
        "try:\n    cli.main(['-q', 'migrate'])\nexcept SystemExit as exc:\n    assert not exc.code\n"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scratch.root, env=process_environment(), capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[-1])
