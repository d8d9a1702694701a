"""A password appears in no output, no log, no error, no argument of a process, no row of the journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Outcome, Scratch, until

CANARY = "c4nary-in-the-m1ne"


@pytest.fixture
def secretive(scratch: Scratch) -> Scratch:
    """The URL has a password, which the server does not ask for."""
    assert scratch.pool
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.describe(
        environment=f'url = "postgresql://scratch_{{service}}_migrator:{CANARY}@/{{database}}?host={scratch.pool.server.sockets}"',
        more=f'[environments.elsewhere]\nurl = "host=/nowhere user=u password={CANARY} dbname=x"\n'
        f'[environments.command]\nurl = "cmd:echo postgresql://u:{CANARY}@/x?host=/nowhere"\n'
        '[environments.variable]\nurl = "env:THE_URL"\n',
    )
    return scratch


def silent(outcome: Outcome) -> Outcome:
    assert CANARY not in outcome.out
    assert CANARY not in outcome.err
    return outcome


def test_no_command_prints_it(secretive: Scratch) -> None:
    for arguments in (
        ("-vv", "doctor"),
        ("--format", "json", "doctor"),
        ("-vv", "migrate", "--dry-run"),
        ("-vv", "migrate"),
        ("--format", "json", "status"),
        ("render",),
        ("url", "main"),
        ("--format", "json", "url", "main"),
        ("-vv", "health"),
        ("rollback", "main"),
    ):
        assert silent(secretive.call(*arguments)).code in {0, 1}


@pytest.mark.parametrize("verbose", [(), ("-vv",), ("-vv", "--format", "json")])
@pytest.mark.parametrize("environment", ["elsewhere", "command", "variable"])
def test_no_error_names_it(secretive: Scratch, environment: str, verbose: tuple[str, ...]) -> None:
    failed = secretive.call(*verbose, "--env", environment, "migrate", THE_URL=f"postgresql://u:{CANARY}@127.0.0.1:1/x")

    assert silent(failed).code == 3


MALFORMED = [
    f"postgresql://u:{CANARY}%zz@h/d",
    f"postgresql://u:{CANARY}/x@h/d",
    f"postgresql://u:x/{CANARY}@h/d",
    f"postgresql://u:{CANARY}#x@h/d",
    f"postgresql://u:x@{CANARY}@127.0.0.1:1/d",
    f"postgresql://u:{CANARY}@[h/d",
    f"postgresql://u:{CANARY}@127.0.0.1:1/d?no_such_key=1",
    f"host=/nowhere password='{CANARY}",
    f"host=/nowhere password={CANARY} nonsense",
    f"postgresql://u@127.0.0.1:1/d?password={CANARY}&no_such_key=1",
]


@pytest.mark.parametrize("url", MALFORMED)
def test_a_url_that_is_malformed_is_not_repeated(secretive: Scratch, url: str) -> None:
    assert silent(secretive.call("-vv", "status", "main", DBKIT_MAIN_URL=url)).code in {2, 3}


@pytest.mark.parametrize(
    "url", [f"redis://:{CANARY}@127.0.0.1:1/0", f"redis://127.0.0.1:1/0?password={CANARY}", f"redis://u:x/{CANARY}@h:1/0"]
)
def test_a_redis_url_is_not_repeated(secretive: Scratch, url: str) -> None:
    assert silent(secretive.call("-vv", "health", "--url", url)).code in {2, 3}


def test_a_failing_migration_does_not_tell(secretive: Scratch) -> None:
    secretive.migration("0002_b", "SELECT 1 / 0;")

    assert "division by zero" in silent(secretive.run("-vv", "migrate", code=1)).err


def test_the_journal_does_not_know_it(secretive: Scratch) -> None:
    secretive.migration("0002_b", "SELECT 1 / 0;")
    secretive.call("migrate", code=1)

    rows = secretive.column("SELECT j::text FROM dbkit.journal AS j")

    assert len(rows) == 2
    assert CANARY not in "".join(rows)


def test_no_argument_of_a_process_has_it(secretive: Scratch) -> None:
    """`psql` is the one program that is started with the URL's parts."""
    assert secretive.pool
    programs = secretive.pool.server.binaries.folder
    query = "SELECT pg_sleep(600)"

    child = secretive.start("psql", "main", "--", "-c", query, PATH=f"{programs}:/usr/bin:/bin")
    until(
        lambda: (
            secretive.value("SELECT count(*) FROM pg_stat_activity WHERE query = %s AND pid <> pg_backend_pid()", query)
            or child.poll() is not None
        )
    )
    started = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="utf-8").split()
    tree = [child.pid, *map(int, started)]
    arguments = [Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8") for pid in tree]

    assert len(tree) == 2
    assert query in arguments[1]
    assert CANARY not in "".join(arguments)
    assert CANARY not in str(secretive.column("SELECT a::text FROM pg_stat_activity AS a"))

    secretive.column("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = %s AND pid <> pg_backend_pid()", query)
    out, err = child.communicate()
    assert CANARY not in out + err
