"""What a tool's own history says is applied, held against the migrations that it became."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbkit.errors import ConfigurationError, nearest
from dbkit.layouts.importing import Import
from dbkit.layouts.steps import Mark
from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg
    from psycopg.sql import Composed


@dataclass(frozen=True, slots=True)
class History:
    """The tool's table, and our name of the last migration that it has; what follows is pending."""

    table: str
    last: str
    count: int


def read_history(connection: psycopg.Connection[tuple[Any, ...]], planned: Import, schema: str) -> History:
    """Ask the tool's table what is applied; it is only read.

    Raises ConfigurationError, with what to do, for no table or an empty one, a failed or half-applied state, a row without its
    file, a file that was edited since, a gap.
    """
    import psycopg

    layout = planned.layout
    if layout.applied is None:
        raise ConfigurationError(
            f"{planned.tool} keeps no history", hint="say how far the database is: dbkit baseline SERVICE --to ID --reason …"
        )
    table = _table(connection, planned, schema)
    shown = table.as_string(connection).replace('"', "")
    try:
        marks = layout.applied(connection, table, planned.reading)
    except psycopg.errors.InsufficientPrivilege as exc:
        user = connection.info.user
        raise ConfigurationError(
            f"{user} may not read {shown}",
            sqlstate=exc.sqlstate,
            hint=f"as its owner: GRANT SELECT ON {shown} TO {user}; and USAGE on its schema",
        ) from exc
    if not marks:
        raise ConfigurationError(f"{shown} says that nothing is applied", hint="then there is nothing to adopt: dbkit migrate")
    return History(shown, _last(planned, marks, shown), len(marks))


def _table(connection: psycopg.Connection[tuple[Any, ...]], planned: Import, schema: str) -> Composed:
    """Find the table by its name and columns: the service's schema first, then public, then the only one."""
    from psycopg.sql import SQL, Identifier

    layout = planned.layout
    rows = connection.execute(sql("tables_of_name").encode(), {"names": list(layout.tables), "columns": sorted(layout.columns)}).fetchall()
    for wanted in (schema, "public"):
        rows = [row for row in rows if row[0] == wanted] or rows
        if rows and rows[0][0] == wanted:
            break
    if not rows:
        names = " or ".join(layout.tables)
        raise ConfigurationError(
            f"no table {names} of {planned.tool} in this database", hint="is the URL that of the database which the tool kept?"
        )
    if len({row[0] for row in rows}) > 1:
        found = ", ".join(f"{row[0]}.{row[1]}" for row in rows)
        raise ConfigurationError(f"several tables of {planned.tool} in this database: {found}", hint="which is the service's?")
    return SQL("{}.{}").format(Identifier(rows[0][0]), Identifier(rows[0][1]))


def _last(planned: Import, marks: list[Mark], table: str) -> str:
    """Return our name of the last migration that is applied, when all before it are too."""
    steps = {step.id: step for step in planned.reading.steps}
    for mark in marks:
        if mark.id not in steps:
            raise ConfigurationError(
                f"{table} names {mark.id}, which has no file{nearest(mark.id, list(steps))}",
                hint="bring the file back from version control, or run the tool with the files of this database",
            )
        here = steps[mark.id].checksum
        if here and mark.checksum and here != mark.checksum:
            raise ConfigurationError(
                f"{steps[mark.id].path.name} was edited after it had been applied: {table} has another checksum",
                where=f"{steps[mark.id].path}:1",
                hint=f"bring the old text back, or accept the new one with {planned.tool} first",
            )
    applied = {mark.id for mark in marks}
    order = [step.id for step in planned.reading.steps]
    end = max(order.index(name) for name in applied)
    if gap := [name for name in order[:end] if name not in applied]:
        raise ConfigurationError(
            f"{table} has {order[end]}, but not {gap[0]} before it" + (f" and {len(gap) - 1} more" if gap[1:] else ""),
            where=f"{steps[gap[0]].path}:1",
            hint=f"apply it with {planned.tool} first, or mark it there as applied",
        )
    return planned.names[order[end]]
