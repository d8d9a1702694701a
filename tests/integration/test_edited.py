"""Files against the journal: edited, reformatted, renamed, missing and late migrations."""

from __future__ import annotations

import pytest

from dbkit.errors import ConfigurationError
from scratch import Scratch


@pytest.fixture
def applied(scratch: Scratch) -> Scratch:
    """Two migrations, applied."""
    scratch.migration("0001_a", "CREATE TABLE main.a (\n    i integer\n);\n", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b (i integer);\n", "DROP TABLE main.b;")
    scratch.migrate()
    return scratch


def refusal(scratch: Scratch) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        scratch.migrate()
    return caught.value


def test_an_applied_migration_whose_substance_changed_stops_the_run(applied: Scratch) -> None:
    applied.migration("0001_a", "CREATE TABLE main.a (\n    i bigint\n);\n", "DROP TABLE main.a;")
    applied.migration("0003_c", "CREATE TABLE main.c ();")

    error = refusal(applied)

    assert "main/0001_a was edited after it had been applied" in error.message
    assert error.where == f"{applied.root}/migrations/main/0001_a.sql:2"
    assert error.excerpt is not None
    assert "-    i integer" in error.excerpt
    assert "+    i bigint" in error.excerpt
    assert applied.tables() == {"a", "b"}
    assert applied.states() == {"0001_a": "changed", "0002_b": "applied", "0003_c": "pending"}


@pytest.mark.parametrize("edit", ["SELECT 'unterminated", "CREATE TABEL;", "\\i other.sql", "-- nothing"])
def test_an_applied_migration_that_no_longer_parses_was_edited(applied: Scratch, edit: str) -> None:
    applied.migration("0001_a", edit)

    assert "edited" in refusal(applied).message
    assert applied.states()["0001_a"] == "changed"


@pytest.mark.parametrize(
    "text",
    [
        "-- A licence.\nCREATE TABLE main.a (i integer);",
        "create table MAIN.a (\r\n\ti integer -- the number\r\n);",
        "\ufeffCREATE TABLE main.a (\n    i integer\n);\n",
    ],
)
def test_an_applied_migration_that_was_only_reformatted_is_noted(applied: Scratch, text: str) -> None:
    applied.migration("0001_a", text, "DROP TABLE main.a;")
    applied.migration("0003_c", "CREATE TABLE main.c ();")

    plan = applied.migrate()

    assert [planned.migration.name for planned in plan.migrations] == ["0003_c"]
    assert plan.cosmetic == (() if text.startswith("\ufeff") else ("main/0001_a",))
    assert applied.states()["0001_a"] == "applied"


def test_a_macro_that_changes_an_applied_migration_is_seen(scratch: Scratch) -> None:
    scratch.write("schemas/_shared/m.sql.j2", "{% macro id() %}id integer{% endmacro %}")
    scratch.write("migrations/main/0001_a.sql.j2", "{% from 'm.sql.j2' import id %}\nCREATE TABLE {{ schema }}.a (\n    {{ id() }}\n);\n")
    scratch.write("migrations/main/0001_a.rollback.sql", "DROP TABLE main.a;")
    scratch.migrate()

    scratch.write("schemas/_shared/m.sql.j2", "{% macro id() %}id bigint{% endmacro %}")
    error = refusal(scratch)

    assert error.where == f"{scratch.root}/schemas/_shared/m.sql.j2:1"
    assert "+    id bigint" in f"{error.excerpt}"


def test_a_business_number_is_not_part_of_a_migrations_checksum(scratch: Scratch) -> None:
    scratch.write("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a ();")
    scratch.write("migrations/main/0001_a.rollback.sql", "DROP TABLE main.a;")
    scratch.migrate()

    scratch.describe(more="[services.main.rules]\nlimit = 5\n")

    assert scratch.migrate().is_empty


def test_an_applied_migration_without_its_file_stops_the_run(applied: Scratch) -> None:
    (applied.root / "migrations/main/0002_b.sql").unlink()
    (applied.root / "migrations/main/0002_b.rollback.sql").unlink()

    error = refusal(applied)

    assert "main/0002_b has no file any more" in error.message
    assert applied.states() == {"0001_a": "applied", "0002_b": "missing"}


def test_a_renamed_migration_is_recognised_by_its_text(applied: Scratch) -> None:
    for suffix in ("sql", "rollback.sql"):
        (applied.root / f"migrations/main/0002_b.{suffix}").rename(applied.root / f"migrations/main/0002_better.{suffix}")

    error = refusal(applied)

    assert "main/0002_b was renamed to 0002_better" in error.message
    assert error.where == f"{applied.root}/migrations/main/0002_better.sql:1"


def late(scratch: Scratch, policy: str) -> None:
    scratch.describe(more='[migrate]\nout_of_order = "allow"\n')
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0003_c", "CREATE TABLE main.c ();")
    scratch.migrate()
    scratch.describe(more=f'[migrate]\nout_of_order = "{policy}"\n')
    scratch.migration("0002_b", "CREATE TABLE main.b ();")


def test_a_late_migration_is_an_error_by_default(scratch: Scratch) -> None:
    late(scratch, "error")

    error = refusal(scratch)

    assert "main/0002_b is not applied, but main/0003_c after it is" in error.message
    assert scratch.tables() == {"a", "c"}


@pytest.mark.parametrize("policy", ["warn", "allow"])
def test_a_late_migration_is_applied_where_the_policy_says_so(scratch: Scratch, policy: str) -> None:
    late(scratch, policy)

    plan = scratch.migrate()

    assert [planned.out_of_order for planned in plan.migrations] == [True]
    assert scratch.tables() == {"a", "b", "c"}


def test_a_late_migration_is_warned_of_under_the_policy_warn_only(scratch: Scratch) -> None:
    late(scratch, "warn")

    warned = scratch.run("migrate", code=0)

    assert "0002_b" in warned.err
    assert "out of order" in warned.err


def gap(scratch: Scratch, policy: str) -> None:
    scratch.describe(more=f'[migrate]\nout_of_order = "{policy}"\n')
    scratch.migration("0001_a", "CREATE TABLE main.a ();")
    scratch.migration("0002_b", "CREATE TABLE main.b ();")
    scratch.migration("0004_d", "CREATE TABLE main.d ();")


def test_a_gap_in_consecutive_numbers_is_an_error_by_default(scratch: Scratch) -> None:
    gap(scratch, "error")

    error = refusal(scratch)

    assert error.message == "no migration has the number 0003, and main/0004_d comes after it"
    assert error.where == f"{scratch.root}/migrations/main/0004_d.sql:1"
    assert scratch.value("SELECT to_regnamespace('main') IS NULL")
    scratch.migrate(to="0002")  # what comes before it is not held up
    assert scratch.tables() == {"a", "b"}


def test_a_gap_is_warned_of_or_passed_over_where_the_policy_says_so(scratch: Scratch) -> None:
    gap(scratch, "warn")
    assert "0003 is missing" in scratch.run("migrate", "--dry-run", code=0).out
    assert "no migration has the number 0003" in scratch.run("migrate", code=0).err

    scratch.migration("0006_f", "CREATE TABLE main.f ();")
    scratch.describe(more='[migrate]\nout_of_order = "allow"\n')
    assert "0005" not in scratch.run("migrate", code=0).err
    assert scratch.tables() == {"a", "b", "d", "f"}


def test_a_gap_that_the_journal_knows_of_is_none(applied: Scratch) -> None:
    for suffix in ("sql", "rollback.sql"):
        (applied.root / f"migrations/main/0002_b.{suffix}").unlink()
    applied.run("repair", "main", "0002_b", "--reason", "never needed", "--yes", code=0)
    applied.migration("0003_c", "CREATE TABLE main.c ();")

    applied.migrate()

    assert applied.states() == {"0001_a": "applied", "0003_c": "applied"}


@pytest.mark.parametrize(
    "numbers",
    [
        ("0010", "0020", "0030"),
        ("20260101", "20260214", "20260301"),
        ("20250101120000", "20250301120000", "20250301120000123456789"),  # whole, what is between them fills no memory
        ("0001", "0002", "0100"),
    ],
)
def test_numbers_that_are_not_consecutive_have_no_gaps(scratch: Scratch, numbers: tuple[str, ...]) -> None:
    for number in numbers:
        scratch.migration(f"{number}_a", f"CREATE TABLE main.a{number} ();")

    scratch.migrate()

    assert len(scratch.tables()) == len(numbers)


def test_a_pending_migration_may_be_edited_freely(applied: Scratch) -> None:
    applied.migration("0003_c", "CREATE TABLE main.c ();")
    applied.migration("0003_c", "CREATE TABLE main.d ();")

    applied.migrate()

    assert applied.tables() == {"a", "b", "d"}


def test_a_rolled_back_migration_may_be_edited_freely(applied: Scratch) -> None:
    applied.rollback()
    applied.migration("0002_b", "CREATE TABLE main.other ();")

    applied.migrate()

    assert applied.tables() == {"a", "other"}


def test_status_says_everything_at_a_glance(applied: Scratch) -> None:
    applied.migration("0001_a", "-- again\nCREATE TABLE main.a (i integer);")
    applied.migration("0003_c", "SELECT 1 / 0;")
    applied.routine("f", "CREATE FUNCTION main.f() RETURNS int LANGUAGE sql AS 'SELECT 1';")
    with pytest.raises(Exception, match="division"):
        applied.migrate()

    status = applied.status()

    assert {m.id: (m.state, m.note) for m in status.migrations} == {
        "main/0001_a": ("applied", "reformatted since"),
        "main/0002_b": ("applied", ""),
        "main/0003_c": ("failed", "main/0003_c failed: division by zero"),
    }
    assert status.routines_pending == ("main/f",)
    assert not status.is_current


@pytest.mark.parametrize("text", ["-- depends: 0009_x\nSELECT 1;", "-- transactionl: false\nSELECT 1;", b"SELECT '\xe9';", ""])
def test_a_wrong_file_is_refused_before_a_server_is_asked(scratch: Scratch, text: str | bytes) -> None:
    scratch.migration("0001_a", "SELECT 1;")
    scratch.write("migrations/main/0001_a.sql", text)
    scratch.describe(environment='url = "postgresql://nobody@127.0.0.1:1/nowhere"')

    assert refusal(scratch).where is not None
