"""A disk that is full: the migration fails as a whole, says so, and goes in once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.project.state import place
from scratch import Scratch


def mounted(folder: Path, *options: str) -> bool:
    return subprocess.run(["mount", *options, "-t", "tmpfs", "dbkit-test", str(folder)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def cramped(embedded: Scratch) -> Iterator[Scratch]:
    """An embedded server whose folder is a file system of 140 MB."""
    data = place(embedded.root, "here").data
    place(embedded.root, "here").account.own(data)
    assert mounted(data, "-o", "size=140m,mode=700")
    place(embedded.root, "here").account.own(data)
    yield embedded
    embedded.run("down")
    subprocess.run(["umount", "-l", str(data)], check=True)


if os.geteuid() == 0:  # who else may not mount

    def test_a_full_disk_rolls_the_migration_back(cramped: Scratch) -> None:
        cramped.run("up", code=0)
        cramped.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
        cramped.migration(
            "0002_b",
            "CREATE TABLE main.b AS SELECT repeat(md5(i::text), 30) AS t FROM generate_series(1, 400000) AS i;",
            "DROP TABLE main.b;",
        )

        failed = cramped.run("migrate", code=1)

        assert "SQLSTATE 53100" in failed.err
        assert "Traceback" not in failed.err
        status = cramped.run("--format", "json", "status", code=0).document["services"][0]
        assert [m["state"] for m in status["migrations"]] == ["applied", "failed"]

        cramped.migration("0002_b", "CREATE TABLE main.b AS SELECT 1 AS i;", "DROP TABLE main.b;")
        assert "0002_b" in cramped.run("migrate", code=0).out
