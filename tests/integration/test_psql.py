"""`dbkit psql`: which program, and how the connection reaches it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.pq import Conninfo

from dbkit.commands.psql import _environment
from dbkit.postgres import programs
from dbkit.postgres.connect import Database
from scratch import Scratch

if TYPE_CHECKING:
    import pytest


def psql(folder: Path, major: int) -> None:
    """Write a program that prints its version, and leaves it behind where it is asked for more."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "psql").write_text(
        f"#!/bin/sh\n[ \"$1\" = --version ] && echo 'psql (PostgreSQL) {major}.2' || echo {major} >> '{folder.parent.parent}/ran'\n"
    )
    (folder / "psql").chmod(0o755)


def test_the_oldest_program_that_is_not_older_than_the_server_is_taken(
    scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = int(scratch.value("SHOW server_version_num")) // 10000
    monkeypatch.setattr(programs, "INSTALLED", (f"{str(tmp_path).lstrip('/')}/v*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert "no psql" in scratch.call("psql", "main", code=1).err
    assert "not installed" in scratch.call("doctor").out

    psql(tmp_path / "v1" / "bin", target - 1)
    scratch.call("psql", "main", "--", "-c", "SELECT 1", code=0)  # better than none: psql itself says that it is older
    psql(tmp_path / "v2" / "bin", target + 2)
    scratch.call("psql", "main", code=0)
    psql(tmp_path / "v3" / "bin", target + 1)
    scratch.call("psql", "main", code=0)

    assert (tmp_path / "ran").read_text().split() == [str(target - 1), str(target + 2), str(target + 1)]
    told = scratch.call("doctor").out
    for major, folder in ((target - 1, "v1"), (target + 2, "v2"), (target + 1, "v3")):
        assert f"{major} ({tmp_path}/{folder}/bin/psql)" in told


def test_all_that_a_url_says_reaches_psql_by_variables(scratch: Scratch) -> None:
    names = {option.keyword.decode(): (option.envvar or b"").decode() for option in Conninfo.get_defaults()}
    said = {name: "x" for name, variable in names.items() if variable} | {"options": "-c work_mem=1MB"}
    url = " ".join(f"{name}='{value}'" for name, value in said.items())

    found = _environment(Database(replace(scratch.database().target, url=url)), "migrator")

    assert {"sslcert", "sslkey", "channel_binding", "target_session_attrs"} < said.keys()
    assert {name: found[names[name]] for name in said} == said | {
        "options": "-c work_mem=1MB -c search_path=main,ops,public",
        "application_name": "dbkit/psql",
    }
