"""A folder for the time of a run goes with it, or with the next run, and never under the feet of one that lives."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dbkit.project.state import Account
from dbkit.project.throwaway import throwaway_folder

US = Account(None, os.geteuid(), os.getegid())


def test_folders_made_side_by_side_do_not_remove_each_other(tmp_path: Path) -> None:
    """Each looks for abandoned ones while the others are being made."""

    stopped: list[Path] = []

    def make(number: int) -> bool:
        with throwaway_folder(tmp_path, "test-", US, stopped.append) as home:
            (home / "file").write_text(str(number))
            return (home / "file").read_text() == str(number)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(make, range(800)))
    assert len(stopped) == len(set(stopped)) == 800
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_its_process_is_stopped_and_removed(tmp_path: Path) -> None:
    stopped: list[Path] = []
    left = tmp_path / "test-left"
    left.mkdir()
    (left / "owner.lock").touch()
    other = tmp_path / "other"
    other.mkdir()

    with throwaway_folder(tmp_path, "test-", US, stopped.append) as home:
        assert stopped == [left]
        assert sorted(tmp_path.iterdir()) == sorted([other, home])
    assert stopped == [left, home]
    assert list(tmp_path.iterdir()) == [other]


def test_a_folder_of_another_user_is_left_alone(tmp_path: Path) -> None:
    """Who may write to the same base, such as /tmp, does not choose what we stop."""
    stopped: list[Path] = []
    left = tmp_path / "test-left"
    left.mkdir()
    (left / "owner.lock").touch()

    with throwaway_folder(tmp_path, "test-", Account(None, os.geteuid() + 1, os.getegid()), stopped.append) as home:
        assert stopped == []
    assert stopped == [home]
    assert list(tmp_path.iterdir()) == [left]
