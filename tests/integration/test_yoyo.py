"""A yoyo user can look at the same database with yoyo's own program, before dbkit and after."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from scratch import Scratch, process_environment

EXPECTED = {"0001_a": "A", "0002_b": "A", "0003_c": "U"}


@pytest.fixture
def half(scratch: Scratch) -> Scratch:
    """Two of three migrations applied, one of them a template, one rolled back and applied again."""
    scratch.write("migrations/main/0001_a.sql.j2", "CREATE TABLE {{ schema }}.a ();")
    scratch.write("migrations/main/0001_a.rollback.sql", "DROP TABLE main.a;")
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    scratch.migration("0003_c", "-- depends: 0002_b\nCREATE TABLE main.c ();", "DROP TABLE main.c;")
    scratch.migrate(to="0002")
    scratch.rollback()
    scratch.migrate(to="0002")
    return scratch


def backends(folder: Path) -> Path:
    """Make a folder that registers our backend as the installed distribution does."""
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    registered = folder / "dbkit_for_yoyo-0.dist-info"
    registered.mkdir(parents=True)
    (registered / "METADATA").write_text("Metadata-Version: 2.1\nName: dbkit-for-yoyo\nVersion: 0\n", encoding="utf-8")
    lines = [f"{name} = {place}" for name, place in settings["project"]["entry-points"]["yoyo.backends"].items()]
    (registered / "entry_points.txt").write_text("\n".join(["[yoyo.backends]", *lines, ""]), encoding="utf-8")
    return folder


def yoyo(scratch: Scratch, command: str, scheme: str) -> subprocess.CompletedProcess[str]:
    """Run yoyo's program on the rendered migrations."""
    assert scratch.pool
    scratch.run("render", "--out", "rendered", code=0)
    url = f"{scheme}://scratch_main_migrator@/{scratch.database_name('main')}?host={scratch.pool.server.sockets}&schema=main"
    environment = process_environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{backends(scratch.root / 'registered')}"
    return subprocess.run(
        [sys.executable, "-m", "yoyo", command, "--batch", "--no-config-file", "--database", url, str(scratch.root / "rendered/main")],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def listed(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    return {name: state for state, name in re.findall(r"^(?:\x1b\[\d*m)*([AU])(?:\x1b\[\d*m)*\s+(\d{4}_\w+)", done.stdout, re.MULTILINE)}


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "dbkit+psycopg"])
def test_yoyo_list_agrees_with_dbkit_status(half: Scratch, scheme: str) -> None:
    states = {"applied": "A", "pending": "U"}

    assert {name: states[state] for name, state in half.states().items()} == EXPECTED
    assert listed(yoyo(half, "list", scheme)) == EXPECTED


def test_a_look_with_yoyo_disturbs_nothing(half: Scratch) -> None:
    before = half.events()

    yoyo(half, "list", "postgresql+psycopg")

    assert half.events() == before
    half.migrate()
    assert set(half.states().values()) == {"applied"}


def test_our_backend_leaves_no_lock_row_behind(half: Scratch) -> None:
    yoyo(half, "list", "dbkit+psycopg")

    assert half.value("SELECT to_regclass('main.yoyo_lock')") is None


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_our_backend_refuses_to_split_a_migration_from_its_mark(half: Scratch, command: str) -> None:
    done = yoyo(half, command, "dbkit+psycopg")

    assert done.returncode != 0
    assert "dbkit" in done.stderr
    assert half.states() == {"0001_a": "applied", "0002_b": "applied", "0003_c": "pending"}


def test_tables_that_yoyo_made_first_are_taken_over(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    with scratch.connect() as connection:
        connection.execute("CREATE SCHEMA main AUTHORIZATION scratch_main_owner")

    assert listed(yoyo(scratch, "list", "postgresql+psycopg")) == {"0001_a": "U"}
    scratch.migrate()

    assert scratch.value("SELECT migration_id FROM main._yoyo_migration") == "0001_a"
    assert scratch.states() == {"0001_a": "applied"}
