"""The embedded servers: two commands set up a fresh machine; whoever needs them starts them, the last to leave stops them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbkit.errors import DbkitError, UnreachableError
from dbkit.postgres import server as pg
from dbkit.postgres.connect import connect
from dbkit.project import state
from dbkit.project.state import Account, check_socket, place
from scratch import Scratch, until

SCRIPT = """\
--[[
greet: says hello

KEYS
  1  name  whose value is greeted

ARGV

RETURNS
  greeting  text

ERRORS
]]
return 'hello ' .. redis.call('GET', KEYS[1])
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    """A project of a PostgreSQL and a Redis service on embedded servers; the tests of this module use it in turn."""
    project = Scratch(tmp_path_factory.mktemp("kept") / "own", None)
    project.root.mkdir()
    project.describe(more='[services.cart]\nengine = "redis"\n')
    project.migration("0001_a", "CREATE TABLE main.a (i integer);", "DROP TABLE main.a;")
    project.write("lua/cart/greet.lua", SCRIPT)
    yield project
    project.leave()


def postmaster(project: Scratch) -> int:
    """Return the postmaster's process id, 0 where none runs."""
    server = project.own_server()
    return int((server.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0]) if pg.running(server) else 0


def test_a_fresh_machine_is_set_up_by_whoever_comes_first_and_nothing_is_left_running(kept: Scratch) -> None:
    children = [kept.start("migrate") for _ in range(2)]
    told = [child.communicate() for child in children]

    assert [child.returncode for child in children] == [0, 0], told
    out = "".join(out for out, _ in told)
    assert len(re.findall(r"^main +applied +0001_a ", out, re.MULTILINE)) == 1
    assert re.search(r"^cart +loaded +1 script ", out, re.MULTILINE)
    assert postmaster(kept) == 0
    assert not place(kept.root, "here").sockets.joinpath("valkey.sock").exists()


def test_no_permission_of_the_project_is_changed(kept: Scratch) -> None:
    before = {path: path.stat().st_mode for path in (kept.root, *kept.root.parents)}

    kept.run("status", code=0)

    assert {path: path.stat().st_mode for path in (kept.root, *kept.root.parents)} == before


def test_the_servers_folders_are_closed_to_others(kept: Scratch) -> None:
    where = place(kept.root, "here")

    assert [oct(folder.stat().st_mode & 0o777) for folder in (where.data, where.sockets)] == ["0o700"] * 2


def test_up_leaves_the_servers_running_and_down_stops_them(kept: Scratch) -> None:
    assert kept.call("url", "main", code=1).err.count("`dbkit up` starts it") == 1

    up = kept.run("up", code=0)
    assert re.search(r"^main +running +PostgreSQL \d+ +postgresql:///main\?host=", up.out, re.MULTILINE)
    assert re.search(r"^cart +running +Valkey \S+ +unix://", up.out, re.MULTILINE)
    first = postmaster(kept)
    assert first

    url = kept.run("url", "main", code=0).out.strip()
    assert "up to date" in kept.call("migrate", "main", "--url", url, code=0).out
    assert kept.run("psql", "main", "--", "-XAtc", "SELECT current_user, count(*) FROM a", code=0).out == "scratch_main_migrator|0\n"
    assert kept.run("psql", "main", "--role", "superuser", "--", "-XAt", stdin="SELECT 1 + 1;\n\\q\n", code=0).out == "2\n"
    assert kept.run("psql", "main", "--", "-XAtc", "SELECT nothing").code == 1
    assert "redis-cli cart" in kept.call("psql", "cart", code=2).err

    assert kept.call("redis-cli", "cart", "SET", "name", "Ada", code=0).out == "OK\n"
    assert kept.call("redis-cli", "cart", "FCALL", "greet", "1", "name", code=0).out == "hello Ada\n"
    assert kept.run("redis-cli", "cart", stdin="GET name\nquit\n", code=0).out == "Ada\n"
    assert "(error)" in kept.call("redis-cli", "cart", "NONSENSE", code=1).err

    found = kept.call("--format", "json", "status", code=0).document["services"]
    assert [(entry["service"], entry["state"]) for entry in found] == [("main", "up to date"), ("cart", "up to date")]
    assert {finding["service"] for finding in kept.call("--format", "json", "health").document["findings"]} == {"main", "cart"}
    assert postmaster(kept) == first

    down = kept.run("down", code=0)
    assert "PostgreSQL stopped" in re.sub(r" +", " ", down.out)
    assert postmaster(kept) == 0
    assert kept.call("down", code=0)


def test_what_was_written_is_there_after_a_restart(kept: Scratch) -> None:
    assert kept.call("redis-cli", "cart", "GET", "name", code=0).out == "Ada\n"
    assert "up to date" in kept.run("migrate", "main", code=0).out


def test_two_commands_share_a_server_and_the_last_one_stops_it(kept: Scratch) -> None:
    shells = [kept.start("psql", "main", "--", "-c", f"SELECT pg_sleep(600), {number}") for number in (1, 2)]
    server = kept.own_server()

    def busy() -> int:
        try:
            with connect(server.conninfo("main"), "test") as connection:
                row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'").fetchone()
        except UnreachableError:
            return 0
        return int(row[0]) if row else 0

    until(lambda: busy() == 2)
    assert "is using PostgreSQL" in kept.run("down", code=4).err

    cancel(server, 1)
    shells[0].communicate()
    assert pg.running(server)
    assert busy() == 1

    cancel(server, 2)
    shells[1].communicate()
    assert not pg.running(server)


def cancel(server: pg.Server, number: int) -> None:
    with connect(server.conninfo("main"), "test") as connection:
        connection.execute("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = %s", [f"SELECT pg_sleep(600), {number}"])


def test_a_postmaster_that_was_killed_is_started_again(kept: Scratch) -> None:
    kept.run("up", code=0)
    killed = postmaster(kept)

    os.kill(killed, signal.SIGKILL)
    outcome = kept.run("migrate", code=0)

    assert "up to date" in outcome.out
    assert postmaster(kept) not in {0, killed}
    kept.run("down", code=0)


def test_a_pid_file_that_is_left_of_nobody_is_no_obstacle(kept: Scratch) -> None:
    server = kept.own_server()
    assert not pg.running(server)
    (server.data / "postmaster.pid").write_text(f"4194000\n{server.data}\n1\n5432\n{server.sockets}\n\n", encoding="utf-8")
    if server.account.name:
        os.chown(server.data / "postmaster.pid", server.account.uid, server.account.gid)

    assert "up to date" in kept.run("migrate", code=0).out


def test_sql_tests_run_on_a_throwaway_server(kept: Scratch) -> None:
    kept.write(
        "tests/main/a.sql",
        """
        -- test: it is empty
        SELECT * FROM main.a;

        -- test: it takes numbers only
        -- raises: 22P02
        INSERT INTO main.a VALUES ('x');

        -- test: it holds something
        SELECT 1 WHERE NOT EXISTS (SELECT FROM main.a);
        """,
    )

    failed = kept.run("test", "main", code=1)

    assert "migrations up, down, up" in failed.out
    assert "2 passed, 1 failed" in failed.out
    assert "it holds something" in failed.out
    assert "tests/main/a.sql:8" in failed.out


def test_data_of_another_version_is_refused_and_left_alone(kept: Scratch) -> None:
    version = kept.own_server().data / "PG_VERSION"
    ours = version.read_text(encoding="utf-8")
    version.write_text("14\n", encoding="utf-8")

    refused = kept.call("migrate", "main", code=2)

    version.write_text(ours, encoding="utf-8")
    assert "is PostgreSQL 14's" in refused.err
    assert "postgres = 14" in refused.err
    assert "up to date" in kept.call("migrate", "main", code=0).out


def test_a_folder_without_a_server_program_is_named(kept: Scratch, tmp_path: Path) -> None:
    elsewhere = Scratch(tmp_path, None)
    elsewhere.describe(environment=f'server = "embedded"\npostgres_bin = "{tmp_path}"')

    refused = elsewhere.call("migrate", code=2)

    assert f"no PostgreSQL server program in {tmp_path}" in refused.err


def test_a_socket_path_that_does_not_fit_is_refused_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(state, "server_account", lambda: Account(None, os.geteuid(), os.getegid()))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))

    with pytest.raises(DbkitError) as caught:
        place(tmp_path, "here")

    assert "too long" in caught.value.message
    assert "TMPDIR" in f"{caught.value.hint}"


@pytest.mark.parametrize(("length", "fits"), [(107, True), (108, False)])
def test_a_socket_path_may_have_107_bytes(length: int, fits: bool) -> None:
    path = Path("/" + "ü" * ((length - 1) // 2) + "x" * ((length - 1) % 2))
    assert len(os.fsencode(path)) == length

    if fits:
        check_socket(path)
        return
    with pytest.raises(DbkitError, match=r"108 bytes, 107 are possible"):
        check_socket(path)
