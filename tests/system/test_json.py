"""With --format json, standard output is one JSON document and nothing else, whatever comes of the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
import pytest

from dbkit import cli
from scratch import Scratch

# programs of their own: what they print is what was asked of the server
SHELLS = {"psql", "redis-cli"}
RUNS: dict[str, tuple[tuple[str, ...], Callable[[Any], bool]]] = {
    "acl": (("main",), lambda found: "lives on PostgreSQL" in found["error"]["message"]),
    "baseline": (("main", "--reason", "x"), lambda found: found == {"service": "main", "baselined": ["main/0001_a"]}),
    "cleanup": (("main",), lambda found: "lives on PostgreSQL" in found["error"]["message"]),
    "client": (("main",), lambda found: "lives on PostgreSQL" in found["error"]["message"]),
    "doctor": ((), lambda found: found["manifest"]["project"]["name"] == "scratch" and bool(found["checks"])),
    "down": ((), lambda found: found == {"stopped": []}),
    "health": (("main",), lambda found: len(found["findings"]) > 20),
    "import": (("migrations/main", "main", "--from", "psql"), lambda found: "overwrites nothing" in found["error"]["message"]),
    "init": (("new",), lambda found: found["folder"] == "new" and "dbkit.toml" in found["files"]),
    "lint": (("migrations",), lambda found: isinstance(found, dict)),
    "migrate": ((), lambda found: found["services"][0]["applied"] == ["main/0001_a"]),
    "new": (("main", "b"), lambda found: found["migration"].endswith("migrations/main/0002_b.sql") and found["left"] == []),
    "partitions": ((), lambda found: "ops functions are not installed" in found["error"]["message"]),
    "render": ((), lambda found: found["files"][0]["path"] == "main/0001_a.sql"),
    "renumber": (("main", "0001_a"), lambda found: found == {"service": "main", "dry_run": False, "renamed": []}),
    "repair": (("main", "--reason", "x"), lambda found: "nothing to repair" in found["error"]["message"]),
    "rollback": (("main",), lambda found: found == {"service": "main", "undone": []}),
    "seed": (("--url", "{url}", "main"), lambda found: found == {"services": [{"service": "main", "files": []}]}),
    "selftest": (("20",), lambda found: [f["verdict"] for f in found["faults"]] == ["survived"]),
    "squash": (("main", "--to", "0001"), lambda found: "error" in found),
    "status": ((), lambda found: found["services"][0]["migrations"][0]["state"] == "pending"),
    "test": ((), lambda found: found == {"tests": []}),
    "unlock": (("main",), lambda found: found == {"service": "main", "holders": []}),
    "up": ((), lambda found: found == {"services": []}),
    "url": (("main",), lambda found: found["service"] == "main" and found["url"].startswith("postgresql://")),
    "verify": ((), lambda found: found["services"][0]["problems"] == []),
    "vacuum": ((), lambda found: "ops functions are not installed" in found["error"]["message"]),
}


def test_every_command_is_tried_here() -> None:
    assert set(cli.program.list_commands(click.Context(cli.program))) - SHELLS - set(RUNS) == set()


@pytest.mark.parametrize("name", RUNS)
def test_a_command_writes_one_document(scratch: Scratch, name: str) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    arguments, holds = RUNS[name]
    url = scratch.database().conninfo()

    outcome = scratch.call("--format", "json", name, *(argument.replace("{url}", url) for argument in arguments))

    assert holds(outcome.document), outcome
    assert "Traceback" not in outcome.err


def test_a_run_tells_what_it_did(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.routine("f", "CREATE OR REPLACE FUNCTION main.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';")

    assert scratch.run("--format", "json", "migrate", "--check", code=1).document == {
        "services": [{"service": "main", "pending": ["main/0001_a", "main/f"]}]
    }
    assert scratch.call("--format", "json", "migrate", code=0).document == {
        "services": [{"service": "main", "applied": ["main/0001_a"], "deployed": ["main/f"], "pending": []}]
    }
    assert scratch.call("--format", "json", "rollback", "main", "--dry-run").document == {"service": "main", "would_undo": ["main/0001_a"]}
    assert scratch.call("--format", "json", "rollback", "main").document == {"service": "main", "undone": ["main/0001_a"]}


@pytest.mark.parametrize(
    ("arguments", "code", "key", "value"),
    [
        (("migrate", "mian"), 2, "hint", "services: main"),
        (("migrate",), 1, "sqlstate", "22012"),
        (("status", "main", "--url", "postgresql:///x?host=/nowhere"), 3, "where", None),
    ],
)
def test_an_error_is_the_document(scratch: Scratch, arguments: tuple[str, ...], code: int, key: str, value: object) -> None:
    scratch.migration("0001_a", "SELECT 1 / 0;")

    error = scratch.call("--format", "json", *arguments, code=code).document["error"]

    assert error["exit_code"] == code
    assert error[key] == value
    assert set(error) == {"message", "where", "sqlstate", "hint", "exit_code"}


def test_notices_do_not_disturb_the_document(scratch: Scratch) -> None:
    scratch.migration("0001_a", "DO $$ BEGIN RAISE WARNING 'look'; END $$;")

    outcome = scratch.run("--format", "json", "migrate", code=0)

    assert outcome.document["services"][0]["applied"] == ["main/0001_a"]
    assert "look" in outcome.err
