"""What the target's server has and the throw-away's has not: what stands in for it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Offers:
    """Extensions installed (with their schema), and what the server has of extensions, collations, tablespaces, lz4."""

    extensions: Mapping[str, str]
    available: frozenset[str]
    collations: frozenset[str]
    tablespaces: frozenset[str]
    lz4: bool


def offers(connection: Connection) -> Offers:
    """Ask a server what it has."""
    row = connection.execute(sql("server_offers").encode()).fetchone()
    assert row is not None  # noqa: S101 a SELECT without FROM returns a row
    return Offers(row[0], frozenset(row[1]), frozenset(row[2]), frozenset(row[3]), bool(row[4]))


def statements_of(connection: Connection, extension: str) -> list[str]:
    """Return the statements that make stand-ins for what the extension has, read where it is installed."""
    with connection.transaction():
        connection.execute("SELECT set_config('search_path', '', true)")
        return [row[0] for row in connection.execute(sql("stand_ins").encode(), {"extension": extension}).fetchall()]


def prepare_server(superuser: Connection, target: Offers, own: Offers) -> None:
    """Give the throw-away tablespaces and collations of the names that the target has: they hold nothing and sort nothing."""
    from psycopg.sql import SQL, Identifier

    superuser.execute("SET allow_in_place_tablespaces = on")
    for name in sorted(target.tablespaces - own.tablespaces):
        superuser.execute(SQL("CREATE TABLESPACE {} LOCATION ''").format(Identifier(name)))
        superuser.execute(SQL("GRANT CREATE ON TABLESPACE {} TO PUBLIC").format(Identifier(name)))


def prepare_collations(superuser: Connection, target: Offers, own: Offers) -> None:
    """Make the collations that the target's server came with."""
    from psycopg.sql import SQL, Identifier

    missing = sorted(target.collations - own.collations)
    if missing:
        superuser.execute("SET allow_system_table_mods = on")
        for name in missing:
            superuser.execute(SQL('CREATE COLLATION pg_catalog.{} FROM pg_catalog."C"').format(Identifier(name)))


def install(superuser: Connection, extension: str, schema: str, statements: list[str]) -> None:
    """Make the extension out of stand-ins; one that the server does not take is left out."""
    import psycopg

    superuser.execute("SET allow_system_table_mods = on")
    superuser.execute("SET check_function_bodies = off")
    made = superuser.execute(sql("stand_in_extension").encode(), {"extension": extension, "schema": schema}).fetchone()
    after = made[0] if made else 0
    for statement in statements:
        try:
            superuser.execute(statement.encode())
        except psycopg.Error:
            continue  # what needs it fails, too, and is named then
    superuser.execute(sql("adopt_stand_ins").encode(), {"extension": extension, "after": after})
