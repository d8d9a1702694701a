"""`dbkit renumber`: after a merge the numbers are there once, and nobody's applied migration has another name."""

from __future__ import annotations

import subprocess
from pathlib import Path

from scratch import Scratch


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", "more")


def names(scratch: Scratch) -> list[str]:
    return sorted(path.name for path in (scratch.root / "migrations/main").iterdir())


def merged(scratch: Scratch) -> None:
    """Two branches gave the number 2; ours has been merged with theirs."""
    git(scratch.root, "init", "-qb", "main")
    scratch.migration("0001_first", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    commit(scratch.root)
    git(scratch.root, "switch", "-qc", "ours")
    scratch.migration("0002_ours", "CREATE TABLE main.o (i integer);", "DROP TABLE main.o;")
    scratch.write("migrations/main/0003_more.sql.j2", "-- depends: 0002_ours, 0001_first\nCREATE TABLE main.m (i integer);")
    scratch.write("migrations/main/0003_more.rollback.sql.j2", "DROP TABLE main.m;")
    commit(scratch.root)
    git(scratch.root, "switch", "-q", "main")
    scratch.migration("0002_theirs", "CREATE TABLE main.t (i integer);", "DROP TABLE main.t;")
    commit(scratch.root)
    git(scratch.root, "switch", "-q", "ours")
    git(scratch.root, "merge", "-q", "main")


def test_what_the_default_branch_does_not_have_gets_the_next_free_numbers(scratch: Scratch) -> None:
    merged(scratch)
    assert "`dbkit renumber` does" in scratch.call("migrate", code=2).err

    shown = scratch.call("renumber", "main", "--dry-run", code=0)
    assert "would move  0002_ours" in shown.out
    assert "0002_ours.sql" in names(scratch)
    scratch.call("renumber", "main", code=0)

    assert names(scratch) == [
        "0001_first.rollback.sql",
        "0001_first.sql",
        "0002_theirs.rollback.sql",
        "0002_theirs.sql",
        "0003_ours.rollback.sql",
        "0003_ours.sql",
        "0004_more.rollback.sql.j2",
        "0004_more.sql.j2",
    ]
    text = (scratch.root / "migrations/main/0004_more.sql.j2").read_text()
    assert text.startswith("-- depends: 0003_ours, 0001_first\n")
    scratch.migrate()
    assert "every number is there once" in scratch.call("renumber", "main", code=0).out


def test_the_base_can_be_named_and_must_be_there(scratch: Scratch) -> None:
    merged(scratch)

    document = scratch.call("--format", "json", "renumber", "main", "--base", "ours", code=0).document
    assert document["renamed"] == []
    assert "no revision 'nowhere'" in scratch.call("renumber", "main", "--base", "nowhere", code=2).err


def test_an_applied_migration_keeps_its_name(scratch: Scratch) -> None:
    merged(scratch)
    (scratch.root / "migrations/main/0002_theirs.sql").rename(scratch.root / "aside.sql")
    (scratch.root / "migrations/main/0002_theirs.rollback.sql").rename(scratch.root / "aside.rollback.sql")
    scratch.migrate()
    (scratch.root / "aside.sql").rename(scratch.root / "migrations/main/0002_theirs.sql")
    (scratch.root / "aside.rollback.sql").rename(scratch.root / "migrations/main/0002_theirs.rollback.sql")
    before = names(scratch)

    refused = scratch.call("renumber", "main", code=2)

    assert "0002_ours is applied, and a name is an identity" in refused.err
    assert names(scratch) == before
    scratch.call("renumber", "main", "0002_theirs", code=0)
    assert "0004_theirs.sql" in names(scratch)
    assert scratch.states() == {"0001_first": "applied", "0002_ours": "applied", "0003_more": "applied", "0004_theirs": "pending"}


def test_outside_of_a_checkout_the_journal_says_which_are_new(scratch: Scratch) -> None:
    scratch.migration("0001_first", "CREATE TABLE main.a (i integer);")
    scratch.migration("0002_theirs", "CREATE TABLE main.t (i integer);")
    scratch.migrate()
    scratch.migration("0002_ours", "CREATE TABLE main.o (i integer);")

    scratch.call("renumber", "main", code=0)

    assert scratch.states() == {"0001_first": "applied", "0002_theirs": "applied", "0003_ours": "pending"}


def test_a_late_number_moves_and_one_that_is_high_enough_stays(scratch: Scratch) -> None:
    scratch.migration("20250101120000_first", "SELECT 1;")
    scratch.migration("20250301120000_third", "SELECT 1;")
    scratch.migrate()
    scratch.migration("20250201120000_second", "SELECT 1;")
    scratch.migration("20250401120000_fourth", "SELECT 1;")

    scratch.call("renumber", "main", code=0)

    assert set(scratch.states()) == {
        "20250101120000_first",
        "20250301120000_third",
        "20250301120001_second",
        "20250401120000_fourth",
    }


def test_where_nobody_can_tell_nothing_moves(scratch: Scratch) -> None:
    scratch.migration("0001_a", "SELECT 1;")
    scratch.migration("0001_b", "SELECT 1;")
    nowhere = "postgresql:///nowhere?host=/nonexistent"

    refused = scratch.call("renumber", "main", code=2, DBKIT_MAIN_URL=nowhere)

    assert "neither git nor a target says" in refused.err
    moved = scratch.call("renumber", "main", "0001_b", code=0, DBKIT_MAIN_URL=nowhere)
    assert "nobody was asked whether one of them is applied" in moved.err
    assert "0002_b.sql" in names(scratch)
    assert "did you mean '0002_b'" in scratch.call("renumber", "main", "0001_b", code=2).err
