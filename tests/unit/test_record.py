"""What --resume compares: the release that a target is done with."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from dbkit.fleet.record import release
from dbkit.migrate.plan import Sources
from dbkit.project.manifest import find_project
from dbkit.source.files import load_migrations
from dbkit.source.script import LARGE


def sources(folder: Path, text: str) -> Sources:
    (folder / "migrations/main").mkdir(parents=True, exist_ok=True)
    (folder / "dbkit.toml").write_text('[project]\nname = "p"\n[services.main]\nshared = []\n')
    (folder / "migrations/main/0001_a.sql").write_text(text)
    (folder / "migrations/main/0001_a.rollback.sql").write_text("SELECT 1;")
    return Sources(tuple(load_migrations(find_project(folder), "main")), ())


def test_another_text_or_another_end_is_another_release(tmp_path: Path) -> None:
    one, other = release(sources(tmp_path, "SELECT 1;"), None), release(sources(tmp_path, "SELECT 2;"), None)

    assert len({one, other, release(sources(tmp_path, "SELECT 2;"), "0001_a")}) == 3
    assert release(sources(tmp_path, "SELECT 1;"), None) == one


def test_a_large_file_is_not_held(tmp_path: Path) -> None:
    found = sources(tmp_path, "SELECT 1;\n" * (LARGE // 9))

    tracemalloc.start()
    try:
        assert release(found, None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < LARGE / 2
