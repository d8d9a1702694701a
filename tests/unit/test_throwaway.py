"""Which server program a throw-away server runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbkit.errors import DbkitError
from dbkit.postgres import programs, throwaway
from dbkit.project.manifest import Environment


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that print a version: 15 and 17 as a system has them, 18 on the PATH; 16 and 18 are embedded."""
    for major in (15, 17, 18):
        program(tmp_path / str(major) / "bin", f"postgres (PostgreSQL) {major}.2")
    monkeypatch.setattr(programs, "INSTALLED", (f"{str(tmp_path).lstrip('/')}/1[57]/bin",))
    monkeypatch.setenv("PATH", str(tmp_path / "18" / "bin"))
    return tmp_path


def program(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "postgres").write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
    (folder / "postgres").chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("target", "folder", "major"),
    [
        (14, "15/bin", 15),
        (15, "15/bin", 15),
        (16, None, 16),
        (17, "17/bin", 17),
        (18, "18/bin", 18),
    ],
)
def test_the_same_major_is_taken_and_else_the_next_higher(installed: Path, target: int, folder: str | None, major: int) -> None:
    chosen, found = throwaway.settings_for(target, Environment())

    assert found == major
    assert chosen.postgres_bin == (folder and str(installed / folder))


def test_the_manifests_own_comes_before_the_systems(installed: Path) -> None:
    mine = program(installed / "mine", "postgres (PostgreSQL) 17.9")

    assert throwaway.settings_for(17, Environment(postgres_bin=str(mine)))[0].postgres_bin == str(mine)
    assert throwaway.settings_for(15, Environment(postgres_bin=str(mine)))[1] == 15


def test_without_one_that_is_new_enough_it_is_refused_with_both_majors(installed: Path) -> None:
    with pytest.raises(DbkitError, match="the target is PostgreSQL 19, and the newest server program here is 18"):
        throwaway.settings_for(19, Environment())


def test_a_program_that_does_not_run_is_passed_over(installed: Path) -> None:
    (installed / "15" / "bin" / "postgres").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")

    assert throwaway.settings_for(15, Environment())[1] == 16
