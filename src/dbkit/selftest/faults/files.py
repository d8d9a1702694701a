"""Files that changed, went, came late or come twice."""

from __future__ import annotations

from dbkit.selftest.fault import expect, expect_in, fault
from dbkit.selftest.trial import Trial

BODY = "CREATE FUNCTION main.f() RETURNS integer LANGUAGE plpgsql AS $$\nBEGIN\n    RETURN 1;\nEND\n$$;\n"


def _applied(trial: Trial) -> None:
    trial.migration("0001_a", f"CREATE TABLE main.a (\n    i integer\n);\n{BODY}", "DROP FUNCTION main.f();\nDROP TABLE main.a;\n")
    trial.table("0002_b")
    trial.run("migrate", code=0)


@fault(15, "an applied file gets a licence header, other line breaks, upper case", "exit 0, with a note")
def cosmetic(trial: Trial) -> None:
    _applied(trial)
    body = BODY.replace("\n    RETURN 1;", "\n\t-- one\n\tRETURN 1;")
    trial.migration("0001_a", f"-- Licence: ours.\n/* and\nmore */ create table MAIN.a (i integer);\n\n{body}")
    expect_in("0001_a was reformatted", trial.run("migrate", code=0).text, "the note")
    expect(trial.states(), {"0001_a": "applied", "0002_b": "applied"}, "what status says")


@fault(16, "an applied file's substance is edited", "exit 2 with the difference; accepting it takes a reason that is kept")
def semantic(trial: Trial) -> None:
    _applied(trial)
    for old, new, line in (("i integer", "i bigint", 2), ("RETURN 1", "RETURN 2", 6)):
        trial.migration("0001_a", f"CREATE TABLE main.a (\n    i integer\n);\n{BODY}".replace(old, new))
        refused = trial.refused(where=f"0001_a.sql:{line}", says="was edited after it had been applied")
        expect_in(new, refused.text, "the difference")
    trial.run("repair", "main", "0001_a", code=2)
    trial.run("repair", "main", "0001_a", "--reason", "it was typed wrong", code=0)
    trial.run("migrate", code=0)
    reason = "SELECT detail ->> 'reason' FROM dbkit.journal WHERE event = 'repaired'"
    expect(trial.value(reason), "it was typed wrong", "the reason in the journal")


@fault(17, "an applied file is gone, or has another name", "exit 2; a renamed one is known by its content")
def gone_or_renamed(trial: Trial) -> None:
    _applied(trial)
    folder = trial.root / "migrations/main"
    for suffix in ("sql", "rollback.sql"):
        (folder / f"0002_b.{suffix}").rename(folder / f"0002_better.{suffix}")
    trial.refused(where="0002_better.sql:1", says="0002_b was renamed to 0002_better")
    for suffix in ("sql", "rollback.sql"):
        (folder / f"0002_better.{suffix}").unlink()
    trial.refused(where="main/0002_b", says="has no file any more")


@fault(18, "two branches bring the same number", "exit 2 names both files; `dbkit renumber` gives the later one the next free number")
def same_number(trial: Trial) -> None:
    _applied(trial)
    trial.table("0003_left")
    trial.table("0003_right")
    refused = trial.refused(where="0003_right.sql:1", says="0003_left")
    expect_in("number", refused.text, "what to do")
    trial.run("renumber", "main", "0003_right", code=0)
    trial.run("migrate", code=0)
    expect(trial.applied(), ["0001_a", "0002_b", "0003_left", "0004_right"], "what was applied once it was renumbered")


@fault(
    19,
    "a migration with an older number is merged late",
    "refused where the policy says error, the default; applied with a word where it says warn",
)
def late(trial: Trial) -> None:
    trial.table("0010_a")
    trial.table("0030_c")
    trial.run("migrate", code=0)
    trial.table("0020_b")
    trial.refused(where="0020_b.sql:1", says="0030_c after it is")
    trial.manifest('[migrate]\nout_of_order = "warn"\n')
    expect_in("out of order", trial.run("migrate", code=0).text, "the warning")
    expect(trial.tables(), {"a", "b", "c"}, "tables")


NOWHERE = "postgresql://selftest_main_migrator:c4n4ry-p4ssw0rd@127.0.0.1:1/nowhere"


def before_connecting(trial: Trial, where: str, says: str) -> None:
    """The same file is refused with the same words where no server can be reached: nobody was asked."""
    trial.refused(where=where, says=says)
    trial.manifest(url=NOWHERE)
    found = trial.run("migrate")
    expect(found.code, 2, f"the exit code where no server can be reached ({found.text.strip()[:200]})")
    expect_in(says, found.text, "what is said where no server can be reached")
    trial.manifest()


@fault(20, "depends: in a circle, or on what is not there", "exit 2 names the circle, before a server is asked")
def circle(trial: Trial) -> None:
    trial.migration("0001_a", "-- depends: 0002_b\nCREATE TABLE main.a ();")
    trial.migration("0002_b", "-- depends: 0001_a\nCREATE TABLE main.b ();")
    before_connecting(trial, "migrations/main/0001_a.sql:1", "0002_b")
    trial.migration("0002_b", "-- depends: 0009_x\nCREATE TABLE main.b ();")
    before_connecting(trial, "migrations/main/0002_b.sql", "0009_x")


@fault(21, "the files are checked out with CRLF", "the checksum is the same, and nothing is pending")
def carriage_returns(trial: Trial) -> None:
    _applied(trial)
    for path in (trial.root / "migrations/main").iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    expect_in("up to date", trial.run("migrate", code=0).text, "what the run says")
    expect(trial.states(), {"0001_a": "applied", "0002_b": "applied"}, "what status says")
    trial.migration("0003_g", BODY.replace("main.f", "main.g").replace("\n", "\r\n").encode())
    trial.run("migrate", code=0)
    expect(trial.value("SELECT main.g()"), 1, "the function from a file with CRLF")


@fault(22, "a file begins with a UTF-8 BOM", "it is accepted, and changes no checksum")
def byte_order_mark(trial: Trial) -> None:
    trial.migration(
        "0001_a",
        "\ufeff-- transactional: false\nCREATE TABLE main.a (i integer);\nCREATE INDEX CONCURRENTLY a_i_idx ON main.a (i);\n".encode(),
    )
    trial.run("migrate", code=0)
    expect(trial.tables(), {"a"}, "tables")
    path = trial.root / "migrations/main/0001_a.sql"
    path.write_bytes(path.read_bytes().removeprefix("\ufeff".encode()))
    expect_in("up to date", trial.run("migrate", code=0).text, "what the run says once the BOM is gone")
    expect(trial.states(), {"0001_a": "applied"}, "what status says")
