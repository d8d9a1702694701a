"""Throw-away servers are copies of what initdb made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.postgres import initialised, server
from dbkit.postgres.throwaway import throwaway_server
from dbkit.testing.plugin import server_settings


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home where nothing is kept yet: not in pytest's folder, which root's server account may not enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        monkeypatch.setattr(initialised, "ROOT_HOME", Path(folder) / "home")
        monkeypatch.setenv("XDG_CACHE_HOME", str(Path(folder) / "home"))
        yield Path(folder) / "home"


@pytest.fixture
def initdb(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that initdb was run for."""
    made: list[Path] = []
    run = server.initialise

    def count(wanted: server.Server) -> None:
        made.extend([] if wanted.data.exists() else [wanted.data])
        run(wanted)

    monkeypatch.setattr(server, "initialise", count)
    return made


def test_initdb_runs_for_the_first_server_alone(home: Path, initdb: list[Path]) -> None:
    for _ in range(3):
        with throwaway_server(server_settings()) as running:
            assert server.running(running)

    assert len(initdb) == 1
    assert initdb[0].is_relative_to(home)


def test_what_another_build_of_the_program_made_goes(home: Path) -> None:
    with throwaway_server(server_settings()):
        pass
    (first,) = kept(home)
    older = first.rename(first.with_name(first.name.rpartition("-")[0] + "-1"))

    with throwaway_server(server_settings()):
        pass

    assert kept(home) == [first]
    assert not older.exists()


def test_where_nothing_can_be_kept_initdb_runs_each_time(home: Path, initdb: list[Path]) -> None:
    home.write_text("no folder")
    for _ in range(2):
        with throwaway_server(server_settings()) as running:
            assert running.data in initdb
            assert server.running(running)


def kept(home: Path) -> list[Path]:
    return list(home.glob("*/[0-9]*"))
