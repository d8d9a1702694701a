"""On a standby `status` works, and what writes refuses at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import psycopg
import pytest

from dbkit.errors import DbkitError
from dbkit.postgres.throwaway import standby_of
from scratch import Scratch, until


@pytest.fixture
def standby(scratch: Scratch) -> Iterator[Scratch]:
    """A copy of the server, in recovery; the project's URL leads there."""
    assert scratch.pool
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migrate()
    primary = scratch.pool.server
    with standby_of(primary, "standby") as copy:
        here = scratch.environment().replace(str(primary.sockets), str(copy.sockets))
        manifest = (scratch.root / "dbkit.toml").read_text(encoding="utf-8")
        scratch.write("dbkit.toml", manifest.replace(scratch.environment(), here))
        until(lambda: scratch.states() == {"0001_a": "applied"})
        yield scratch


def test_a_standby_is_read_and_never_written(standby: Scratch) -> None:
    standby.migration("0002_b", "CREATE TABLE main.b ();")

    assert standby.states() == {"0001_a": "applied", "0002_b": "pending"}
    assert standby.run("migrate", "--check", code=1).err == ""
    for command in (("migrate",), ("rollback", "main")):
        refused = standby.run(*command, code=1)
        assert "standby" in refused.err
        assert "primary" in refused.err
        assert "Traceback" not in refused.err
    assert "no drift" in standby.run("verify", "main", code=0).out
    assert "no drift" in standby.run("verify", "main", "--fingerprint", code=0).out
    assert "unbroken" in standby.run("verify", "main", "--journal", code=0).out
    found = standby.run("--format", "json", "health")
    assert found.code in {0, 1}
    assert len(found.document["findings"]) > 20


def test_health_looks_at_the_replicas_that_the_manifest_names(standby: Scratch) -> None:
    """A replica that receives nothing looks caught up from the primary: it is asked itself."""
    url = tomllib.loads((standby.root / "dbkit.toml").read_text(encoding="utf-8"))["environments"]["here"]["url"]
    manifest = (standby.root / "dbkit.toml").read_text(encoding="utf-8")
    standby.write("dbkit.toml", f'{manifest}\n[environments.here.services.main]\nreplicas = ["{url}"]\n')
    with psycopg.connect(url.format(database=standby.database_name("main"), service="main")) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)

    found = standby.run("--format", "json", "health")

    assert {finding["service"] for finding in found.document["findings"]} == {"main", "main@replica1"}


def test_a_read_only_database_is_read_and_never_written(scratch: Scratch) -> None:
    scratch.migration("0001_a", "CREATE TABLE main.a ();", "DROP TABLE main.a;")
    scratch.migrate()
    scratch.migration("0002_b", "CREATE TABLE main.b ();", "DROP TABLE main.b;")
    with scratch.connect() as connection:
        connection.execute(f'ALTER DATABASE "{scratch.database_name("main")}" SET default_transaction_read_only = on'.encode())

    assert scratch.states() == {"0001_a": "applied", "0002_b": "pending"}
    assert "no drift" in scratch.call("verify", "main", code=0).out
    assert "no drift" in scratch.call("verify", "main", "--fingerprint", code=0).out
    for action in (scratch.migrate, scratch.rollback):
        with pytest.raises(DbkitError, match="default_transaction_read_only is on"):
            action()
