"""What a statement makes that a deploy replaces: functions, views, triggers; and where that is in the catalog."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from dbkit.postgres.queries import sql

if TYPE_CHECKING:
    import psycopg

    from dbkit.source.statements import Statement

Key = tuple[int, int]  # classid and objid, as pg_depend has them


@dataclass(frozen=True, slots=True)
class Made:
    """A function, view or trigger by its names; `types` are those of a function's input arguments, `relation` a trigger's."""

    kind: Literal["function", "view", "trigger"]
    schema: str | None
    name: str
    relation: str | None = None
    types: tuple[str, ...] = ()


def made(statement: Statement) -> Made | None:
    """Return what a statement makes; None for what is not replaced but kept: tables, types, sequences, rows."""
    node = statement.node
    match statement.kind:
        case "create_function_stmt":
            names = [part.string.sval for part in node.funcname]
            return Made("function", ".".join(names[:-1]) or None, names[-1], types=_input_types(node.parameters))
        case "view_stmt":
            return Made("view", node.view.schemaname or None, node.view.relname)
        case "create_table_as_stmt" if _is_materialized(node):
            return Made("view", node.into.rel.schemaname or None, node.into.rel.relname)
        case "create_trig_stmt":
            return Made("trigger", node.relation.schemaname or None, node.trigname, node.relation.relname)
        case _:
            return None


def _is_materialized(node: Any) -> bool:
    import postgast

    return bool(node.objtype == postgast.pg_query_pb2.OBJECT_MATVIEW)


def _input_types(parameters: Any) -> tuple[str, ...]:
    import postgast

    kinds = postgast.pg_query_pb2
    outputs = {kinds.FUNC_PARAM_OUT, kinds.FUNC_PARAM_TABLE}
    found = [item.function_parameter for item in parameters]
    return tuple(_type(parameter.arg_type) for parameter in found if parameter.mode not in outputs)


def _type(node: Any) -> str:
    name = ".".join('"{}"'.format(part.string.sval.replace('"', '""')) for part in node.names)
    return f"{name}{'%TYPE' if node.pct_type else ''}{'[]' if node.array_bounds else ''}"


def find(connection: psycopg.Connection[tuple[Any, ...]], wanted: Sequence[Made]) -> list[Key | None]:
    """Return where each is in the catalog, under the session's search_path; None for what is not there."""
    rows = [asdict(item) | {"n": number, "types": _known_types(connection, item.types)} for number, item in enumerate(wanted)]
    found: dict[int, Key] = {
        number: (classid, objid) for number, classid, objid in connection.execute(sql("made_objects").encode(), {"made": json.dumps(rows)})
    }
    return [found.get(number) for number in range(len(wanted))]


def _known_types(connection: psycopg.Connection[tuple[Any, ...]], types: Sequence[str]) -> list[str]:
    """Replace `table.column%TYPE`, which only CREATE FUNCTION reads, by the column's type."""
    return [_type_of_column(connection, name.removesuffix("%TYPE")) if name.endswith("%TYPE") else name for name in types]


def _type_of_column(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> str:
    table, _, column = name.rpartition('."')
    row = connection.execute(
        "SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = %s",
        [table, column.removesuffix('"').replace('""', '"')],
    ).fetchone()
    return str(row[0]) if row else '"?"'
