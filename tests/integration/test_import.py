"""Nine tools' folders of a realistic size: imported, applied, taken back, and their databases taken over."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from dbkit.postgres import catalog
from histories import TOOLS, Change, Tool, history, in_public
from scratch import EMPTY, Scratch

COUNT = 120
LAST = 15  # migrations that are taken back


@pytest.fixture
def shop(scratch: Scratch) -> Scratch:
    return in_public(scratch)


@pytest.fixture(params=list(TOOLS.values()), ids=list(TOOLS))
def tool(request: pytest.FixtureRequest) -> Tool:
    found: Tool = request.param
    return found


def written(tool: Tool, folder: Path, count: int = COUNT) -> list[Change]:
    changes = history(count)
    tool.write(folder, changes)
    return changes


def psql(shop: Scratch, scripts: Sequence[str], folder: Path) -> None:
    """Run scripts in their order as the owner, each with a clean session and without a transaction of its own."""
    assert shop.pool
    folder.mkdir(parents=True, exist_ok=True)
    server = shop.pool.server
    arguments: list[str] = []
    for number, script in enumerate(scripts):
        (folder / f"{number}.sql").write_bytes(script.encode())
        arguments += ["-f", str(folder / f"{number}.sql"), "-c", "RESET ALL"]
    conninfo = server.conninfo(shop.database_name("main"), "scratch_main_migrator")
    done = subprocess.run(
        [server.binaries.program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", conninfo, *arguments],
        env=os.environ | {"PGOPTIONS": "-c role=scratch_main_owner -c client_min_messages=warning"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def extras(tool: Tool, changes: Sequence[Change]) -> list[str]:
    """What a tool's folder has beyond the changes."""
    if tool.name == "sqitch":
        return [changes[2].up.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION").replace("sum(", "max(")]
    return ["CREATE VIEW summary AS SELECT count(*) AS rows FROM t_0;"] if tool.name == "flyway" else []


def objects(shop: Scratch) -> dict[object, object]:
    with shop.connect() as connection:
        found = catalog.read(connection, ["public"]).objects
    return {key: value.details for key, value in found.items() if value.kind != "schema"}


def emptied(shop: Scratch) -> None:
    with shop.connect() as connection:
        connection.execute(EMPTY)


def test_an_imported_history_makes_what_the_tool_made_and_can_be_taken_back(shop: Scratch, tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    changes = written(tool, folder)
    more = extras(tool, changes)
    psql(shop, [change.up for change in changes[: COUNT - LAST]], tmp_path / "first")
    halfway = objects(shop)
    psql(shop, [change.up for change in changes[COUNT - LAST :]] + more, tmp_path / "second")
    complete = objects(shop)
    emptied(shop)

    shop.call("import", str(folder), "--from", tool.name, code=1 if tool.name in {"flyway", "psql"} else 0)
    shop.migrate()

    assert objects(shop) == complete
    assert set(shop.states().values()) == {"applied"}
    if tool.has_downs:
        steps = len(shop.states()) - (COUNT - LAST)
        shop.rollback(steps=steps)
        found = objects(shop)
        assert {key: value for key, value in found.items() if "summary" not in str(key)} == halfway
        shop.migrate()
        assert objects(shop) == complete


KEEPING = {name: tool for name, tool in TOOLS.items() if tool.record}


@pytest.mark.parametrize("tool", list(KEEPING.values()), ids=list(KEEPING))
def test_a_database_that_the_tool_kept_is_adopted_and_nothing_runs_twice(shop: Scratch, tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    changes = written(tool, folder)
    psql(shop, [change.up for change in changes] + extras(tool, changes), tmp_path / "sql")
    assert tool.record
    with shop.connect() as connection:
        tool.record(connection, folder, changes)
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO scratch_main_migrator")
        for schema in ("sqitch", "graphile_migrate"):
            if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() != (None,):
                connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO scratch_main_migrator".encode())
                connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO scratch_main_migrator".encode())
        if tool.name == "yoyo":
            connection.execute("GRANT ALL ON _yoyo_migration, _yoyo_log, _yoyo_version TO scratch_main_migrator")
    before = objects(shop)

    done = shop.call("--format", "json", "import", str(folder), "--from", tool.name, "--adopt", code=1 if tool.name == "flyway" else 0)

    adopted = json.loads(done.out)["adopted"]
    plan = shop.migrate()
    assert plan.migrations == ()
    assert shop.migrate().is_empty
    assert set(shop.states().values()) == {"applied"}
    assert adopted["count"] == len(shop.states())
    assert objects(shop) == before
    if tool.name == "yoyo":
        assert set(shop.states()) <= set(shop.column("SELECT migration_id FROM _yoyo_migration"))
    assert "adopted from" in str(shop.value("SELECT detail FROM dbkit.journal WHERE event = 'baselined' LIMIT 1"))


def test_a_step_in_code_stops_a_new_database_until_somebody_writes_the_sql(shop: Scratch) -> None:
    shop.write("theirs/V1__a.sql", "CREATE TABLE a ();")
    shop.write("theirs/V2__Fill.java", "class V2__Fill {}")
    shop.write("theirs/V3__b.sql", "CREATE TABLE b ();")
    assert "V2__Fill.java is code" in shop.call("import", "theirs", "--from", "flyway", code=1).err

    assert "a step in code stood here: V2__Fill.java" in shop.call("migrate", code=1).err
    assert shop.states() == {"1__a": "applied", "2__Fill": "failed", "3__b": "pending"}

    shop.write("migrations/main/2__Fill.sql", "-- irreversible: written by hand\nALTER TABLE a ADD i integer;")
    shop.migrate()
    assert set(shop.states().values()) == {"applied"}


def test_a_dry_run_writes_nothing_and_says_what_it_would(shop: Scratch) -> None:
    shop.write("theirs/1.1_a.up.sql", "BEGIN;\nCREATE TABLE a ();\nCOMMIT;\n")
    shop.write("theirs/README.md", "x")
    shop.call("import", "theirs", "--from", "golang-migrate", "--dry-run", code=2)
    (shop.root / "theirs/1.1_a.up.sql").rename(shop.root / "theirs/1_a.up.sql")

    done = shop.call("--format", "json", "import", "theirs", "main", "--from", "golang-migrate", "--dry-run", code=0)

    assert not (shop.root / "migrations").exists()
    document = json.loads(done.out)
    (migration,) = document["migrations"]
    assert (migration["id"], migration["name"], migration["changed"]) == ("1", "1_a", ["its own BEGIN and COMMIT taken away"])
    assert [left["path"] for left in document["left"]] == ["theirs/README.md"]
    assert not document["written"]


def test_numbers_that_the_tool_left_out_need_no_person(scratch: Scratch, tmp_path: Path) -> None:
    for number in (1, 2, 3, 5, 6):
        scratch.write(f"../old/{number}_t.up.sql", f"CREATE TABLE main.t{number} (id integer);")
        scratch.write(f"../old/{number}_t.down.sql", f"DROP TABLE main.t{number};")

    assert "0 need a person" in scratch.call("import", str(tmp_path / "old"), "main", "--from", "golang-migrate", code=0).out
    scratch.call("migrate", "main", code=0)
    assert scratch.tables() == {"t1", "t2", "t3", "t5", "t6"}
