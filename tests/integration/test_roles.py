"""The roles that a service gets, where a server has others already."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dbkit.postgres.roles import prepare_cluster
from scratch import Scratch

OWNER, MIGRATOR = "joined_main_owner", "joined_main_migrator"


@pytest.fixture
def joined(scratch: Scratch) -> Iterator[Scratch]:
    """A project whose roles and database are not there yet."""
    scratch.write("dbkit.toml", '[project]\nname = "joined"\n[services.main]\ndatabase = "joined"\nshared = []\n')
    yield scratch
    scratch.value("DROP DATABASE IF EXISTS joined")
    for role in scratch.column("SELECT rolname FROM pg_roles WHERE rolname LIKE 'joined%'"):
        scratch.value(f"DROP ROLE {role}")


def test_a_migrator_that_inherits_nothing_is_a_whole_member_of_the_owner(joined: Scratch) -> None:
    """Without saying so the membership would be what the role's own NOINHERIT, or an earlier grant, says."""
    assert joined.pool
    has_options = joined.pool.server.binaries.major >= 16  # before, a member may become the role, and inherits by its own word
    joined.value(f"CREATE ROLE {OWNER}; CREATE ROLE {MIGRATOR} LOGIN NOINHERIT")
    if has_options:
        joined.value(f"GRANT {OWNER} TO {MIGRATOR} WITH SET FALSE")

    prepare_cluster(joined.pool.server.conninfo("postgres"), joined.project, ["main"])

    for privilege in ("USAGE", "SET") if has_options else ("MEMBER",):
        assert joined.value(f"SELECT pg_has_role('{MIGRATOR}', '{OWNER}', '{privilege}')"), privilege
