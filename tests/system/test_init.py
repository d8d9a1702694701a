"""`dbkit init`: the smallest project there is, and the reference shop, work as they come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.testing.plugin import server_settings
from scratch import Scratch


def settle(project: Scratch) -> None:
    """Let the project's default environment be on the PostgreSQL that is asked for."""
    manifest = project.root / "dbkit.toml"
    text = manifest.read_text(encoding="utf-8").partition("[environments.local]")[0].replace('default_environment = "local"\n', "")
    manifest.write_text(
        text.replace("[project]\n", '[project]\ndefault_environment = "here"\n') + f"[environments.here]\n{project.environment()}\n",
        encoding="utf-8",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Scratch]:
    project = Scratch(tmp_path / "new", None)
    yield project
    project.leave()


def test_the_smallest_project_migrates_and_is_healthy(folder: Scratch, tmp_path: Path) -> None:
    made = folder.run("init", "new", cwd=tmp_path, code=0)
    assert "dbkit --project new migrate" in made.out
    settle(folder)

    folder.run("up", code=0)
    assert "0001_create_notes" in folder.run("migrate", code=0).out
    assert "up to date" in folder.call("migrate", code=0).out
    assert folder.call("--format", "json", "health").code in {0, 1}
    assert folder.call("--format", "json", "vacuum", "--all", code=0).document["services"][0]["results"]
    assert "0001_create_notes" in folder.call("rollback", "main", code=0).out
    assert "0001_create_notes" in folder.call("migrate", code=0).out
    folder.run("down", code=0)


def test_a_project_is_not_made_where_one_is(folder: Scratch, tmp_path: Path) -> None:
    folder.run("init", "new", cwd=tmp_path, code=0)
    before = {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()}

    again = folder.call("init", cwd=folder.root, code=2)

    assert "there is a project" in again.err
    assert {path: path.read_bytes() for path in folder.root.rglob("*") if path.is_file()} == before


def test_nothing_that_is_there_is_overwritten(folder: Scratch, tmp_path: Path) -> None:
    folder.write("migrations/main/0001_create_notes.sql", "-- mine\n")

    refused = folder.call("init", "new", cwd=tmp_path, code=2)

    assert "is there already" in refused.err
    assert [path.name for path in folder.root.rglob("*") if path.is_file()] == ["0001_create_notes.sql"]


def test_a_name_is_made_of_any_folders(tmp_path: Path, folder: Scratch) -> None:
    folder.call("init", "My Shop 2!", cwd=tmp_path, code=0)

    assert 'name = "my_shop"' in (tmp_path / "My Shop 2!/dbkit.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """The reference shop, migrated and seeded, its servers running."""
    parent = tmp_path_factory.mktemp("shop")
    project = Scratch(parent / "shop", None)
    project.run("init", "--template", "shop", "shop", cwd=parent, code=0)
    settle(project)
    project.run("up", code=0)
    project.run("migrate", code=0)
    yield project
    project.run("down")
    project.leave()


def test_the_shop_migrates_and_a_second_run_does_nothing(shop: Scratch) -> None:
    again = shop.call("migrate", code=0)

    assert again.out.count("up to date") == 5
    services = shop.call("--format", "json", "status", code=0).document["services"]
    assert {entry["service"]: entry["state"] for entry in services} == dict.fromkeys(
        ("product", "cart", "order", "payment", "inventory"), "up to date"
    )


def test_the_shop_takes_its_example_data_twice(shop: Scratch) -> None:
    shop.call("seed", "product", code=0)
    counted = shop.run("psql", "product", "--", "-XAtc", "SELECT count(*) FROM products", code=0).out
    shop.call("seed", "product", code=0)

    assert int(counted) > 0
    assert shop.run("psql", "product", "--", "-XAtc", "SELECT count(*) FROM products", code=0).out == counted


def test_the_shop_is_healthy(shop: Scratch) -> None:
    findings = shop.call("--format", "json", "health").document["findings"]

    assert {finding["service"] for finding in findings} == {"product", "cart", "order", "payment", "inventory"}
    assert [(f["service"], f["check"], f["detail"]) for f in findings if f["status"] == "critical"] == []


def test_vacuum_takes_every_table_of_the_shop_when_asked(shop: Scratch) -> None:
    planned = shop.call("--format", "json", "vacuum", "product", "--all", "--dry-run", code=0).document["services"][0]
    assert "results" not in planned

    done = shop.call("--format", "json", "vacuum", "product", "--all", "--jobs", "2", code=0).document["services"][0]
    assert {result["outcome"] for result in done["results"]} == {"vacuumed"}
    assert {result["step"]["table"] for result in done["results"]} == {step["table"] for step in planned["plan"]}

    spent = shop.call("--format", "json", "vacuum", "product", "--all", "--budget", "0s", code=0).document["services"][0]
    assert {result["outcome"] for result in spent["results"]} == {"skipped"}


def test_the_settings_of_the_suite_choose_the_server(shop: Scratch) -> None:
    wanted = server_settings()
    shown = shop.call("--format", "json", "status", "product", code=0).document["services"][0]["server"]

    assert wanted.postgres_bin or shown.startswith(f"PostgreSQL {wanted.postgres}.")
